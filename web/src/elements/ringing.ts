import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import { Phone, PhoneCall, PhoneMissed, PhoneOff, X } from 'lucide';
import type { IconNode } from 'lucide';
import type { Trouble } from '../core/client';
import type { I18n } from '../core/i18n';
import type { Calling } from '../core/ring/calling';
import type { Ring, Ringing } from '../core/ring/ringing';
import './icon';
import { Ringtone } from './ringtone';
import { base, buttons } from './styles';
import { Watch } from './watch';

/** Calls that ring for the reader, or that the reader makes, and what became of the last one. Fires `done` when what had the focus goes away. */
@customElement('cl-ringing')
export class ClRinging extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
      }
      [role='group'] {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px 12px;
        padding: 12px 16px;
        border-block-end: 1px solid var(--_line);
        background: var(--_warning-surface);
      }
      [role='group'] > cl-icon {
        flex: none;
        color: var(--_warning);
      }
      .words {
        flex: 1 1 12rem;
        min-inline-size: 0;
        overflow-wrap: anywhere;
      }
      strong {
        font-weight: 650;
      }
      .words p {
        font-size: var(--_small);
      }
      .actions {
        display: flex;
        flex: 0 1 auto;
        flex-wrap: wrap;
        gap: 8px;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) ringing!: Ringing;
  @property({ attribute: false }) calling!: Calling;
  /** The name of somebody with an identity. */
  @property({ attribute: false }) nameOf!: (identity: string) => string;

  private readonly ringtone = new Ringtone();
  private focused = false;

  constructor() {
    super();
    new Watch(this, () => [this.ringing, this.calling]);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.ringtone.on = false;
  }

  override willUpdate(): void {
    this.focused = (this.shadowRoot?.activeElement ?? null) !== null;
  }

  override updated(): void {
    if (this.focused && this.shadowRoot?.activeElement === null) this.dispatchEvent(new CustomEvent('done'));
    this.ringtone.on = this.isConnected && this.ringing.rings.some((r) => r.state === 'ringing');
  }

  override render() {
    const rings = repeat(
      this.ringing.rings,
      (ring) => ring.call,
      (ring) => this.incoming(ring),
    );
    return html`<div role="alert">${rings}</div>
      <div role="status">${this.past()} ${this.outgoing()}</div>`;
  }

  private incoming({ call, caller, state }: Ring) {
    const { i18n, ringing } = this;
    const busy = state !== 'ringing';
    return this.banner(
      PhoneCall,
      i18n.t('ring.from', { name: this.nameOf(caller) }),
      i18n.t('ring.fromHint'),
      html`<button type="button" class="primary" aria-disabled=${busy} @click=${() => void ringing.accept(call)}>
          <cl-icon .icon=${Phone}></cl-icon>${i18n.t('ring.accept')}
        </button>
        <button type="button" class="danger" aria-disabled=${busy} @click=${() => void ringing.decline(call)}>
          <cl-icon .icon=${PhoneOff}></cl-icon>${i18n.t('ring.decline')}
        </button>`,
      call,
    );
  }

  private outgoing() {
    const { i18n, calling } = this;
    const { state, past, trouble, declined } = calling;
    if (state === 'ringing' || state === 'cancelling') {
      const names = declined.map((who) => i18n.t('ring.hasDeclined', { name: this.nameOf(who) }));
      const words = past === 'failed' ? this.why(trouble) : [i18n.t('ring.callingHint'), ...names].join(' ');
      return this.banner(
        PhoneCall,
        i18n.t('ring.calling'),
        words,
        html`<button type="button" aria-disabled=${state === 'cancelling'} @click=${() => void calling.cancel()}>
          <cl-icon .icon=${PhoneOff}></cl-icon>${i18n.t('ring.cancel')}
        </button>`,
      );
    }
    if (!past) return nothing;
    const words = past === 'failed' ? this.why(trouble) : '';
    return this.banner(PhoneMissed, i18n.t(`ring.out.${past}`), words, this.dismisser(() => calling.dismiss()));
  }

  /** What became of the last call that rang here. */
  private past() {
    const { i18n, ringing } = this;
    if (!ringing.past) return nothing;
    const { how, caller, trouble } = ringing.past;
    const words = how === 'failed' ? this.why(trouble) : '';
    return this.banner(PhoneMissed, i18n.t(`ring.in.${how}`, { name: this.nameOf(caller) }), words, this.dismisser(() => ringing.dismiss()));
  }

  private why(trouble: Trouble | undefined): string {
    const why = trouble ?? 'failed';
    return this.i18n.t(`ring.failed.${why}`);
  }

  private dismisser(dismiss: () => void) {
    return html`<button type="button" class="plain" @click=${dismiss}><cl-icon .icon=${X}></cl-icon>${this.i18n.t('notice.dismiss')}</button>`;
  }

  private banner(icon: IconNode, heading: string, words: string, actions: unknown, call = '') {
    return html`<div role="group" part="ring" aria-label=${heading} data-call=${call || nothing}>
      <cl-icon .icon=${icon}></cl-icon>
      <div class="words"><strong>${heading}</strong>${words ? html`<p>${words}</p>` : nothing}</div>
      <div class="actions">${actions}</div>
    </div>`;
  }
}
