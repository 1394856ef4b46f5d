import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { live } from 'lit/directives/live.js';
import { base, fields } from './styles';

/** A choice between on and off with a sentence on what it does, or on why it cannot be made. Fires `toggle` with what is wanted; `on` is to follow. */
@customElement('cl-toggle')
export class ClToggle extends LitElement {
  static override styles = [
    base,
    fields,
    css`
      :host {
        display: block;
      }
      label {
        display: flex;
        align-items: center;
        gap: 12px;
        min-block-size: 44px;
        cursor: pointer;
      }
      label.fixed {
        cursor: default;
        color: var(--_muted);
      }
      input {
        flex: none;
        inline-size: 22px;
        min-block-size: 22px;
        margin: 0;
        accent-color: var(--_accent);
      }
      p {
        padding-inline-start: 34px;
        font-size: var(--_small);
      }
      p:empty {
        display: none;
      }
      .problem {
        color: var(--_danger);
      }
    `,
  ];

  @property() label = '';
  @property() hint = '';
  /** What went wrong with the last change. */
  @property() problem = '';
  @property({ type: Boolean }) on = false;
  /** Cannot be changed here; `hint` says why. */
  @property({ type: Boolean }) fixed = false;

  override render() {
    return html`<label class=${this.fixed ? 'fixed' : ''}>
        <input
          type="checkbox"
          part="toggle"
          aria-describedby="hint problem"
          .checked=${live(this.on)}
          ?disabled=${this.fixed}
          @change=${(e: Event) => this.toggled((e.target as HTMLInputElement).checked)}
        />
        <span>${this.label}</span>
      </label>
      <p id="hint" class="quiet">${this.hint || nothing}</p>
      <p id="problem" class="problem" role="status">${this.problem || nothing}</p>`;
  }

  private toggled(detail: boolean): void {
    this.dispatchEvent(new CustomEvent<boolean>('toggle', { detail }));
  }
}
