import { LitElement, css, html, nothing } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { Copy, CopyCheck, ExternalLink, MessageSquare } from 'lucide';
import type { CallLink, NewCall } from '../core/api';
import { makeCall } from '../core/api';
import type { I18n } from '../core/i18n';
import { loadLanguage } from '../core/i18n';
import type { CallKind } from '../core/place';
import '../elements/icon';
import '../elements/language-select';
import { base, buttons, fields } from '../elements/styles';
import { keepLanguage, pageLanguage, speak } from './language';

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
      fieldset {
        display: grid;
        gap: 8px;
        margin: 0;
        padding: 0;
        border: 0;
      }
      .choice {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 4px 12px;
        align-items: center;
        min-block-size: 44px;
        font-weight: inherit;
      }
      .choice input {
        inline-size: 20px;
        min-block-size: 20px;
        block-size: 20px;
        margin: 0;
        accent-color: var(--_accent);
      }
      .choice b {
        font-weight: 550;
      }
      .choice small {
        display: block;
      }
      h2:focus {
        outline: none;
      }
    `,
  ];

  /** Undefined until the language is loaded. */
  @state() private i18n: I18n | undefined;
  @state() private making = false;
  @state() private failed = false;
  @state() private made: NewCall | undefined;
  @state() private copied = '';
  @state() private kind: CallKind = 'direct';

  override connectedCallback(): void {
    super.connectedCallback();
    void this.speak(pageLanguage());
  }

  override render() {
    const { i18n } = this;
    if (!i18n) return nothing;
    return html`<main>
      <header>
        <cl-language-select
          .i18n=${i18n}
          @language-chosen=${(e: CustomEvent<string>) => {
            keepLanguage(e.detail);
            void this.speak(e.detail);
          }}
        ></cl-language-select>
        <h1>${i18n.t('start.title')}</h1>
        <p>${i18n.t('start.intro')}</p>
      </header>
      <form @submit=${(e: Event) => void this.make(e)}>
        <fieldset>
          <legend class="unseen">${i18n.t('start.kind')}</legend>
          ${(['direct', 'conference', 'broadcast'] as const).map((kind) => this.choice(i18n, kind))}
        </fieldset>
        <div>
          <label for="title">${i18n.t('start.name')}</label>
          <input id="title" name="title" autocomplete="off" maxlength="100" />
        </div>
        ${this.kind === 'conference'
          ? html`<label class="choice">
              <input type="checkbox" name="waiting" />
              <span><b>${i18n.t('start.waiting')}</b></span>
            </label>`
          : nothing}
        <button class=${this.made ? '' : 'primary'} aria-disabled=${this.making}>
          ${i18n.t(this.making ? 'start.making' : 'start.make')}
        </button>
        <p class="problem" role="alert" ?hidden=${!this.failed}>${this.failed ? i18n.t('start.failed') : nothing}</p>
      </form>
      ${this.made ? this.links(i18n, this.made) : nothing}
    </main>`;
  }

  private choice(i18n: I18n, kind: CallKind) {
    return html`<label class="choice">
      <input type="radio" name="kind" value=${kind} .checked=${this.kind === kind} @change=${() => (this.kind = kind)} />
      <span><b>${i18n.t(`start.kind.${kind}`)}</b><small>${i18n.t(`start.kind.${kind}.about`)}</small></span>
    </label>`;
  }

  private links(i18n: I18n, call: NewCall) {
    return html`<section class="made" aria-labelledby="made">
      <h2 id="made" tabindex="-1">${i18n.t('start.made')}</h2>
      <p class="quiet">${i18n.t('start.secret')}</p>
      <ul>
        ${call.links.map((link, at) => this.link(i18n, link, at))}
      </ul>
    </section>`;
  }

  private link(i18n: I18n, link: CallLink, at: number) {
    const whole = new URL(link.url, location.href).href;
    const id = `link-${String(at)}`;
    const copied = this.copied === id;
    const label = link.name ? i18n.t('start.linkFor', { name: link.name }) : i18n.t(link.role === 'viewer' ? 'start.linkForViewers' : 'start.linkForGuests');
    return html`<li>
      <div>
        <label for=${id}>${label}</label>
        <input id=${id} readonly dir="ltr" .value=${whole} @focus=${(e: Event) => (e.target as HTMLInputElement).select()} />
      </div>
      <div class="actions">
        <button type="button" @click=${() => void this.copy(id, whole)}>
          <cl-icon .icon=${copied ? CopyCheck : Copy}></cl-icon>
          <span>${i18n.t(copied ? 'start.copied' : 'start.copy')}<span class="unseen">: ${label}</span></span>
        </button>
        <a class="button" href=${whole} target="_blank" rel="noopener">
          <cl-icon directional .icon=${ExternalLink}></cl-icon>
          <span>${i18n.t('start.open')}<span class="unseen">: ${label}</span></span>
        </a>
        ${link.chat
          ? html`<a class="button" href=${new URL(link.chat, location.href).href} target="_blank" rel="noopener">
              <cl-icon .icon=${MessageSquare}></cl-icon>
              <span>${i18n.t('start.chat')}<span class="unseen">: ${label}</span></span>
            </a>`
          : nothing}
      </div>
    </li>`;
  }

  private async speak(lang: string): Promise<void> {
    this.i18n = await loadLanguage(lang);
    this.dir = this.i18n.dir;
    await speak(lang, 'page.start');
  }

  private async make(event: Event): Promise<void> {
    event.preventDefault();
    if (this.making) return;
    this.making = true;
    this.failed = false;
    try {
      const values = new FormData(event.target as HTMLFormElement);
      const title = values.get('title');
      this.made = await makeCall(this.kind, typeof title === 'string' ? title.trim() : '', values.has('waiting'));
      this.copied = '';
      await this.updateComplete;
      this.renderRoot.querySelector<HTMLElement>('#made')?.focus();
    } catch {
      this.failed = true;
    } finally {
      this.making = false;
    }
  }

  private async copy(id: string, link: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(link);
      this.copied = id;
    } catch {
      // No clipboard without TLS: the text is selected instead, ready to be copied by hand.
      this.renderRoot.querySelector<HTMLInputElement>(`#${CSS.escape(id)}`)?.focus();
    }
  }
}
