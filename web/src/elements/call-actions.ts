import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { Link, Lock, LockOpen, PhoneOff } from 'lucide';
import type { I18n } from '../core/i18n';
import type { Moderation } from '../core/moderation';
import { may } from '../core/place';
import './confirm';
import type { ClConfirm } from './confirm';
import './icon';
import { base, buttons, fields } from './styles';
import { Watch } from './watch';

/** What a host or operator can do about the call itself: the lock, links for guests, the end. */
@customElement('cl-call-actions')
export class ClCallActions extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      :host {
        display: block;
      }
      section {
        display: grid;
        gap: 8px;
        padding-block: 16px;
        border-block-start: 1px solid var(--_line);
      }
      h3 {
        font-size: var(--_body);
        font-weight: 650;
      }
      button {
        justify-content: start;
      }
      button.grave {
        color: var(--_danger);
      }
      small {
        font-size: var(--_small);
        color: var(--_muted);
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) moderation!: Moderation;
  @state() private copied = false;
  @query('cl-confirm') private readonly confirm!: ClConfirm;

  constructor() {
    super();
    new Watch(this, () => [this.moderation]);
  }

  override render() {
    const { i18n, moderation } = this;
    const { locked, link, role } = moderation;
    return html`<section aria-labelledby="call">
      <h3 id="call">${i18n.t('host.call')}</h3>
      ${may(role, 'manage')
        ? html`<button
              type="button"
              aria-disabled=${locked === undefined || moderation.busy('lock') || moderation.busy('unlock') ? 'true' : nothing}
              @click=${() => void this.lock()}
            >
              <cl-icon .icon=${locked ? LockOpen : Lock}></cl-icon>${i18n.t(locked ? 'host.unlock' : 'host.lock')}
            </button>
            <small role="status">${i18n.t(locked ? 'host.locked' : 'host.open')}</small>`
        : nothing}
      <button type="button" aria-disabled=${moderation.busy('invite') ? 'true' : nothing} @click=${() => void this.invite()}>
        <cl-icon .icon=${Link}></cl-icon>${i18n.t(moderation.facts.kind === 'broadcast' ? 'host.inviteViewers' : 'host.invite')}
      </button>
      ${link
        ? html`<label for="link">${i18n.t('host.link')}</label>
            <input id="link" readonly dir="ltr" .value=${link} @focus=${(e: Event) => (e.target as HTMLInputElement).select()} />
            <small role="status">${i18n.t(this.copied ? 'host.linkCopied' : 'host.linkByHand')}</small>`
        : nothing}
      ${may(role, 'end')
        ? html`<button type="button" class="grave" aria-disabled=${moderation.busy('end') ? 'true' : nothing} @click=${() => void this.end()}>
            <cl-icon .icon=${PhoneOff}></cl-icon>${i18n.t('host.end')}
          </button>`
        : nothing}
      <cl-confirm></cl-confirm>
    </section>`;
  }

  private async lock(): Promise<void> {
    if (this.moderation.locked !== undefined) await this.moderation.lock(!this.moderation.locked);
  }

  private async invite(): Promise<void> {
    if (!(await this.moderation.invite()) || !this.moderation.link) return;
    try {
      await navigator.clipboard.writeText(this.moderation.link);
      this.copied = true;
    } catch {
      // No clipboard without TLS, or the tap is too long ago: the link stands there, to be copied by hand.
      this.copied = false;
      await this.updateComplete;
      this.renderRoot.querySelector<HTMLInputElement>('#link')?.focus();
    }
  }

  private async end(): Promise<void> {
    const { i18n, moderation } = this;
    const sure = await this.confirm.ask({
      heading: i18n.t('host.end.title'),
      body: i18n.t('host.end.body'),
      act: i18n.t('host.end'),
      cancel: i18n.t('host.cancel'),
    });
    if (sure) await moderation.end();
  }
}
