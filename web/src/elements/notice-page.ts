import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import type { IconNode } from 'lucide';
import './icon';
import { base } from './styles';

/** A page of its own for one statement: what happened, what is safe, what to do next (in the slot). */
@customElement('cl-notice-page')
export class ClNoticePage extends LitElement {
  static override styles = [
    base,
    css`
      :host {
        display: grid;
        place-items: center;
        padding: 24px 16px;
      }
      section {
        display: grid;
        justify-items: center;
        gap: 12px;
        max-inline-size: 32rem;
        text-align: center;
      }
      cl-icon {
        font-size: 1.75rem;
        color: var(--_muted);
      }
      h1:focus {
        outline: none;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        justify-content: center;
        gap: 12px;
        margin-block-start: 8px;
      }
    `,
  ];

  @property({ attribute: false }) icon!: IconNode;
  @property() heading = '';
  @property() body = '';
  @property() next = '';
  /** Moves the focus to the heading when it appears, so that a screen reader says it. */
  @property({ type: Boolean }) announce = false;
  @query('h1') private readonly title_!: HTMLElement;

  override firstUpdated(): void {
    if (this.announce) this.title_.focus();
  }

  override render() {
    return html`<section part="notice" aria-labelledby="heading">
      <cl-icon .icon=${this.icon}></cl-icon>
      <h1 id="heading" tabindex="-1">${this.heading}</h1>
      <p>${this.body}</p>
      ${this.next ? html`<p>${this.next}</p>` : nothing}
      <div class="actions"><slot></slot></div>
    </section>`;
  }
}
