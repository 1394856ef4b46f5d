import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { Copy, CopyCheck, ExternalLink } from 'lucide';
import type { CallLink, NewCall } from '../core/api';
import { makeCall } from '../core/api';
import { I18n } from '../core/i18n';
import '../elements/icon';
import { base, buttons, fields } from '../elements/styles';

/** The development server's front door: makes a call and shows its links. */
@customElement('cl-start-page')
export class ClStartPage extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      main {
        display: grid;
        gap: 24px;
        max-inline-size: 40rem;
        margin-inline: auto;
        padding: 32px 16px 48px;
      }
      header,
      form,
      .made,
      li {
        display: grid;
        gap: 12px;
      }
      form,
      li {
        padding: 16px;
        border: 1px solid var(--_line);
        border-radius: var(--_radius);
        background: var(--_raised);
      }
      ul {
        display: grid;
        gap: 12px;
      }
      small {
        font-size: var(--_small);
        color: var(--_muted);
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
      }
      .actions > * {
        flex: 1 1 8rem;
      }
      .problem {
        color: var(--_danger);
      }
      h2:focus {
        outline: none;
      }
    `,
  ];

  @property({ attribute: false }) i18n = new I18n(document.documentElement.lang);
  @state() private making = false;
  @state() private failed = false;
  @state() private made: NewCall | undefined;
  @state() private copied = '';

  override render() {
    const { i18n } = this;
    return html`<main>
      <header>
        <h1>${i18n.t('start.title')}</h1>
        <p>${i18n.t('start.intro')}</p>
      </header>
      <form @submit=${(e: Event) => void this.make(e)}>
        <div>
          <label for="room">${i18n.t('start.room')}</label>
          <input id="room" name="room" autocomplete="off" maxlength="64" aria-describedby="hint" />
          <small id="hint">${i18n.t('start.roomHint')}</small>
        </div>
        <button class=${this.made ? '' : 'primary'} aria-disabled=${this.making}>
          ${i18n.t(this.making ? 'start.making' : 'start.make')}
        </button>
        <p class="problem" role="alert" ?hidden=${!this.failed}>${this.failed ? i18n.t('start.failed') : nothing}</p>
      </form>
      ${this.made ? this.links(this.made) : nothing}
    </main>`;
  }

  private links(call: NewCall) {
    const { i18n } = this;
    return html`<section class="made" aria-labelledby="made">
      <h2 id="made" tabindex="-1"><bdi>${i18n.t('start.made', { room: call.room })}</bdi></h2>
      <p class="quiet">${i18n.t('start.secret')}</p>
      <ul>
        ${call.links.map((link) => this.link(link))}
      </ul>
    </section>`;
  }

  private link(link: CallLink) {
    const { i18n } = this;
    const whole = new URL(link.url, location.href).href;
    const id = `link-${link.identity}`;
    const copied = this.copied === link.identity;
    return html`<li>
      <div>
        <label for=${id}>${i18n.t('start.linkFor', { name: link.name })}</label>
        <input id=${id} readonly dir="ltr" .value=${whole} @focus=${(e: Event) => (e.target as HTMLInputElement).select()} />
      </div>
      <div class="actions">
        <button type="button" @click=${() => void this.copy(link.identity, whole)}>
          <cl-icon .icon=${copied ? CopyCheck : Copy}></cl-icon>
          <span>${i18n.t(copied ? 'start.copied' : 'start.copy')}<span class="unseen">: ${i18n.t('start.linkFor', { name: link.name })}</span></span>
        </button>
        <a class="button" href=${whole} target="_blank" rel="noopener">
          <cl-icon directional .icon=${ExternalLink}></cl-icon>
          <span>${i18n.t('start.open')}<span class="unseen">: ${i18n.t('start.linkFor', { name: link.name })}</span></span>
        </a>
      </div>
    </li>`;
  }

  private async make(event: Event): Promise<void> {
    event.preventDefault();
    if (this.making) return;
    this.making = true;
    this.failed = false;
    try {
      const room = new FormData(event.target as HTMLFormElement).get('room');
      this.made = await makeCall(typeof room === 'string' ? room.trim() : '');
      this.copied = '';
      await this.updateComplete;
      this.renderRoot.querySelector<HTMLElement>('#made')?.focus();
    } catch {
      this.failed = true;
    } finally {
      this.making = false;
    }
  }

  private async copy(identity: string, link: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(link);
      this.copied = identity;
    } catch {
      // No clipboard without TLS: the text is selected instead, ready to be copied by hand.
      this.renderRoot.querySelector<HTMLInputElement>(`#link-${CSS.escape(identity)}`)?.focus();
    }
  }
}
