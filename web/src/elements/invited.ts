import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { CircleAlert, Hourglass } from 'lucide';
import { canRejoin } from '../core/ending';
import type { I18n, TextKey } from '../core/i18n';
import type { Entry, Place } from '../core/invite';
import { enter } from '../core/invite';
import './language-select';
import './notice-page';
import { base, buttons, fields, tokens, whole } from './styles';

type Stem = TextKey extends infer K ? (K extends `${infer S extends `ending.${string}` | `invited.${string}`}.title` ? S : never) : never;

/** How often a guest in the waiting room asks again, in milliseconds. */
const askEvery = 3000;

/** The door for guests: asks for a name, waits until the host lets the guest in. Fires `admitted` with the token, `kept` with the place. */
@customElement('cl-invited')
export class ClInvited extends LitElement {
  static override styles = [
    tokens,
    base,
    buttons,
    fields,
    whole,
    css`
      main {
        display: grid;
        min-block-size: 100%;
        place-items: center;
        padding: 24px 16px;
      }
      form {
        display: grid;
        gap: 16px;
        inline-size: min(100%, 28rem);
      }
      h1:focus {
        outline: none;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) place!: Place;
  @state() private entry: Entry | undefined;
  @state() private asking = false;
  private timer = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.place.ticket) void this.ask();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  override render() {
    const { i18n, entry } = this;
    if (entry?.state === 'waiting') {
      return html`<main lang=${i18n.lang}>
        <cl-notice-page announce .icon=${Hourglass} heading=${i18n.t('invited.waiting.title')} body=${i18n.t('invited.waiting.body')}></cl-notice-page>
      </main>`;
    }
    if (entry?.state === 'refused' || entry?.state === 'forbidden') {
      const [stem, hope] = this.refusal(entry);
      return html`<main lang=${i18n.lang}>
        <cl-notice-page
          announce
          .icon=${CircleAlert}
          heading=${i18n.t(`${stem}.title`)}
          body=${i18n.t(`${stem}.body`)}
          next=${entry.state === 'forbidden' ? i18n.t(`ending.${entry.ending}.next`) : ''}
        >
          ${hope ? html`<button type="button" class="primary" @click=${() => void this.ask()}>${i18n.t('ending.retry')}</button>` : nothing}
        </cl-notice-page>
      </main>`;
    }
    return html`<main lang=${i18n.lang}>
      <form @submit=${(e: Event) => void this.begin(e)}>
        <cl-language-select .i18n=${i18n}></cl-language-select>
        <h1>${i18n.t('invited.title')}</h1>
        <div>
          <label for="name">${i18n.t('invited.name')}</label>
          <input id="name" name="name" autocomplete="name" maxlength="100" required .value=${this.place.name} />
        </div>
        <button class="primary" aria-disabled=${this.asking}>${i18n.t('invited.enter')}</button>
      </form>
    </main>`;
  }

  /** The text about a refusal, and whether asking again can help. */
  private refusal(entry: Extract<Entry, { state: 'refused' | 'forbidden' }>): [Stem, boolean] {
    if (entry.state === 'forbidden') return [`ending.${entry.ending}`, canRejoin(entry.ending)];
    return [`invited.${entry.reason}`, entry.reason === 'closed' || entry.reason === 'unreachable'];
  }

  private async begin(event: Event): Promise<void> {
    event.preventDefault();
    const name = new FormData(event.target as HTMLFormElement).get('name');
    if (typeof name === 'string') this.place.name = name.trim();
    await this.ask();
  }

  private async ask(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    clearTimeout(this.timer);
    const entry = await enter(this.place);
    this.asking = false;
    if (this.place.ticket) this.dispatchEvent(new CustomEvent<Place>('kept', { detail: this.place }));
    if (!this.isConnected) return;
    this.entry = entry;
    if (entry.state === 'admitted') {
      this.dispatchEvent(new CustomEvent<string>('admitted', { detail: entry.token }));
      return;
    }
    const again = entry.state === 'refused' && entry.reason === 'unreachable' && this.place.ticket !== '';
    const waits = entry.state === 'waiting' || again;
    if (waits) this.timer = window.setTimeout(() => void this.ask(), askEvery);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'cl-invited': ClInvited;
  }
}
