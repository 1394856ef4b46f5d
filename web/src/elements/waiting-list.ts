import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import { Check, X } from 'lucide';
import type { Waiting } from '../core/calls';
import type { I18n } from '../core/i18n';
import type { Moderation } from '../core/moderation';
import { may } from '../core/place';
import './icon';
import { base, buttons } from './styles';
import { Watch } from './watch';

/** Who waits to be let in, for hosts and operators. */
@customElement('cl-waiting-list')
export class ClWaitingList extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
      }
      section {
        display: grid;
        gap: 4px;
        padding-block: 12px;
        border-block-end: 1px solid var(--_line);
      }
      h3 {
        font-size: var(--_body);
        font-weight: 650;
      }
      h3:focus {
        outline: none;
      }
      li {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px;
        padding-block: 8px;
      }
      bdi {
        flex: 1 1 100%;
        overflow-wrap: anywhere;
        font-weight: 600;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) moderation!: Moderation;

  constructor() {
    super();
    new Watch(this, () => [this.moderation]);
  }

  override render() {
    const { i18n, moderation } = this;
    const { waiting } = moderation;
    return html`<section aria-labelledby="waiting" ?hidden=${waiting.length === 0}>
      <h3 id="waiting" tabindex="-1">${i18n.count('host.waiting', waiting.length)}</h3>
      <ul>
        ${repeat(
          waiting,
          (guest) => guest.identity,
          (guest) => this.one(guest),
        )}
      </ul>
    </section>`;
  }

  private one(guest: Waiting) {
    const { moderation } = this;
    return html`<li part="waiting" data-identity=${guest.identity}>
      <bdi>${guest.name}</bdi>
      ${this.button('admit', guest, () => moderation.admit(guest))}
      ${may(moderation.role, 'manage') ? this.button('turn-away', guest, () => moderation.turnAway(guest)) : nothing}
    </li>`;
  }

  private button(action: 'admit' | 'turn-away', guest: Waiting, run: () => Promise<boolean>) {
    const { i18n, moderation } = this;
    const busy = moderation.busy('admit', guest.identity) || moderation.busy('turn-away', guest.identity);
    const label = i18n.t(`host.${action}`);
    return html`<button
      type="button"
      aria-label=${`${label}: ${guest.name}`}
      class=${action === 'admit' ? 'primary' : ''}
      aria-disabled=${busy ? 'true' : nothing}
      @click=${() => void this.answer(run)}
    >
      <cl-icon .icon=${action === 'admit' ? Check : X}></cl-icon>${label}
    </button>`;
  }

  /** The row goes with the answer; the focus stays in the list, or goes to whoever shows it when the list is empty. */
  private async answer(run: () => Promise<boolean>): Promise<void> {
    if (!(await run())) return;
    await this.updateComplete;
    if (this.shadowRoot?.activeElement) return;
    if (this.moderation.waiting.length > 0) this.renderRoot.querySelector<HTMLElement>('#waiting')?.focus();
    else this.dispatchEvent(new CustomEvent('gone', { bubbles: true, composed: true }));
  }
}
