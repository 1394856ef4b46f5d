import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { CircleAlert, Hourglass, Info, RefreshCw, TriangleAlert, Volume2, X } from 'lucide';
import type { IconNode } from 'lucide';
import './icon';
import { base, buttons } from './styles';

const icons = { alert: CircleAlert, info: Info, link: RefreshCw, weak: TriangleAlert, sound: Volume2, waiting: Hourglass } satisfies Record<string, IconNode>;
export type BannerIcon = keyof typeof icons;

/** One statement above the stage, with at most one action. Fires `act` and `dismiss`. */
@customElement('cl-banner')
export class ClBanner extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px 12px;
        padding: 10px 16px;
        border-radius: var(--_radius);
        background: var(--_warning-surface);
        color: var(--_text);
      }
      cl-icon {
        flex: none;
        color: var(--_warning);
      }
      button cl-icon {
        color: inherit;
      }
      div {
        flex: 1 1 12rem;
      }
      strong {
        font-weight: 650;
      }
      p {
        font-size: var(--_small);
      }
    `,
  ];

  @property() icon: BannerIcon = 'alert';
  @property() heading = '';
  @property() body = '';
  @property() action = '';
  /** The name of the button that puts the banner away; empty for a banner that goes by itself. */
  @property() dismissLabel = '';

  override render() {
    return html`<cl-icon .icon=${icons[this.icon]}></cl-icon>
      <div>
        <strong>${this.heading}</strong>
        ${this.body ? html`<p>${this.body}</p>` : nothing}
      </div>
      ${this.action
        ? html`<button type="button" class="primary" @click=${() => this.fire('act')}>${this.action}</button>`
        : nothing}
      ${this.dismissLabel
        ? html`<button type="button" @click=${() => this.fire('dismiss')}><cl-icon .icon=${X}></cl-icon>${this.dismissLabel}</button>`
        : nothing}`;
  }

  private fire(name: string): void {
    this.dispatchEvent(new CustomEvent(name));
  }
}
