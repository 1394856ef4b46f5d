import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { Search, X } from 'lucide';
import type { I18n } from '../core/i18n';
import type { Message } from '../core/thread/api';
import { ThreadSearch } from '../core/thread/search';
import type { Thread } from '../core/thread/thread';
import './icon';
import { digest } from './message';
import { base, buttons, fields } from './styles';
import { Watch } from './watch';

/** Looks for messages of a conversation. Fires `show` with the number of one that was chosen, and `close`. */
@customElement('cl-thread-search')
export class ClThreadSearch extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      :host {
        display: flex;
        flex-direction: column;
        max-block-size: 50%;
        border-block-end: 1px solid var(--_line);
      }
      form {
        display: flex;
        gap: 4px;
        padding: 8px 12px;
      }
      form button {
        flex: none;
        padding: 8px;
      }
      .results {
        min-block-size: 0;
        overflow-y: auto;
        padding: 0 12px 8px;
      }
      li button {
        display: block;
        inline-size: 100%;
        text-align: start;
        font-weight: inherit;
      }
      .head {
        display: flex;
        flex-wrap: wrap;
        gap: 0 8px;
        font-size: var(--_small);
      }
      .head bdi {
        font-weight: 600;
      }
      time {
        color: var(--_muted);
      }
      .text {
        display: -webkit-box;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 2;
        overflow: hidden;
        overflow-wrap: anywhere;
      }
      p {
        padding-block: 4px;
        font-size: var(--_small);
        color: var(--_muted);
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) thread!: Thread;
  @query('input') private readonly field!: HTMLInputElement;
  private search: ThreadSearch | undefined;

  constructor() {
    super();
    new Watch(this, () => [this.search]);
  }

  override willUpdate(): void {
    this.search ??= new ThreadSearch(this.thread.api);
  }

  override focus(): void {
    void this.updateComplete.then(() => this.field.focus());
  }

  override render() {
    const { i18n } = this;
    return html`<form role="search" @submit=${(e: Event) => this.submit(e)} @keydown=${(e: KeyboardEvent) => this.key(e)}>
        <label class="unseen" for="words">${i18n.t('search.label')}</label>
        <input id="words" type="search" autocomplete="off" maxlength="500" placeholder=${i18n.t('search.label')} />
        <button class="plain" aria-label=${i18n.t('search.find')} title=${i18n.t('search.find')}><cl-icon .icon=${Search}></cl-icon></button>
        <button type="button" class="plain" aria-label=${i18n.t('search.close')} title=${i18n.t('search.close')} @click=${() => this.fire('close', undefined)}>
          <cl-icon .icon=${X}></cl-icon>
        </button>
      </form>
      <div class="results" part="results">
        <p role="status">${this.said()}</p>
        <ol>
          ${(this.search?.found ?? []).map((message) => this.hit(message))}
        </ol>
        ${this.search?.partial ? html`<p>${i18n.t('search.partial')}</p>` : nothing}
        ${this.search?.more
          ? html`<button type="button" aria-disabled=${this.search.busy} @click=${() => void this.search?.next()}>${i18n.t('search.more')}</button>`
          : nothing}
      </div>`;
  }

  private said() {
    const { i18n, search } = this;
    if (search?.busy) return i18n.t('search.busy');
    if (search?.trouble) return i18n.t(search.trouble === 'unreachable' ? 'search.unreachable' : 'search.failed');
    if (search?.found?.length === 0) return i18n.t('search.nothing');
    if (search?.found) return search.more ? nothing : i18n.count('search.found', search.found.length);
    return nothing;
  }

  private hit(message: Message) {
    const { i18n, thread } = this;
    const own = message.sender === thread.identity;
    const at = new Date(message.created_at);
    return html`<li>
      <button type="button" class="plain" @click=${() => this.fire('show', message.seq)}>
        <span class="head"><bdi>${own ? i18n.t('chat.you') : thread.nameOf(message.sender ?? '')}</bdi><time datetime=${message.created_at}>${i18n.shortDay(at)} ${i18n.time(at)}</time></span>
        <span class="text" dir="auto">${digest(message, i18n)}</span>
      </button>
    </li>`;
  }

  private submit(event: Event): void {
    event.preventDefault();
    void this.search?.ask(this.field.value);
  }

  private key(event: KeyboardEvent): void {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    this.fire('close', undefined);
  }

  private fire(what: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}
