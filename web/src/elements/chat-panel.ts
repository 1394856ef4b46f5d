import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import { CircleAlert, SendHorizontal } from 'lucide';
import type { ChatLog, ChatMessage } from '../core/chat';
import type { I18n } from '../core/i18n';
import { bubble, head, words } from './bubble';
import './icon';
import { fieldOf, messageField, sends, tooLong } from './message-field';
import { base, buttons, fields } from './styles';
import { Watch } from './watch';

/** The messages of the call and the field to write one. */
@customElement('cl-chat-panel')
export class ClChatPanel extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    bubble,
    messageField,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-block-size: 0;
        block-size: 100%;
      }
      .log {
        flex: 1;
        min-block-size: 6rem;
        overflow-y: auto;
        overscroll-behavior: contain;
        padding: 12px 16px;
      }
      .log li + li {
        margin-block-start: 12px;
      }
      .log li.own {
        padding-inline-start: 32px;
      }
      .log li:not(.own) {
        padding-inline-end: 32px;
      }
      .body {
        margin-block-start: 2px;
      }
      .state {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 8px;
        font-size: var(--_small);
        color: var(--_muted);
      }
      .state.failed {
        color: var(--_danger);
      }
      form {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        padding: 12px 16px;
        border-block-start: 1px solid var(--_line);
      }
      textarea {
        flex-basis: 9rem;
        inline-size: 0;
      }
      form button {
        flex: 0 1 auto;
        align-self: end;
      }
      .problem {
        flex: 1 1 100%;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) chat!: ChatLog;
  @property() identity = '';
  @property() name = '';
  @state() private problem = '';
  @query('.log') private readonly log!: HTMLElement;
  @query('textarea') private readonly field!: HTMLTextAreaElement;

  private shown = 0;

  constructor() {
    super();
    new Watch(this, () => [this.chat]);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.chat.attend(true);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.chat.attend(false);
  }

  override firstUpdated(): void {
    this.chat.attend(true);
  }

  override focus(): void {
    void this.updateComplete.then(() => this.field.focus());
  }

  private atEnd = true;

  override willUpdate(): void {
    // Who reads older messages is not pulled away from them.
    if (this.hasUpdated) this.atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 48;
  }

  override updated(): void {
    const { messages } = this.chat;
    if (messages.length !== this.shown && (this.atEnd || messages[messages.length - 1]?.own)) {
      this.log.scrollTop = this.log.scrollHeight;
    }
    this.shown = messages.length;
  }

  override render() {
    const { i18n, chat } = this;
    return html`<div class="log" part="log" role="log" aria-live="polite" tabindex="0" aria-label=${i18n.t('chat.log')}>
        ${chat.messages.length === 0
          ? html`<p class="quiet">${i18n.t('chat.empty')}</p>`
          : html`<ul>
              ${repeat(
                chat.messages,
                (m) => m.id,
                (m) => this.message(m),
              )}
            </ul>`}
      </div>
      <form part="composer" @submit=${(e: Event) => this.send(e)}>
        ${fieldOf(i18n, { key: (e) => this.key(e), typed: () => this.measure() })}
        <button class="primary"><cl-icon directional .icon=${SendHorizontal}></cl-icon>${i18n.t('chat.send')}</button>
        <p id="problem" class="problem" role="status">${this.problem || nothing}</p>
      </form>`;
  }

  private message(message: ChatMessage) {
    const { i18n } = this;
    return html`<li class=${message.own ? 'own' : ''} part="message" data-state=${message.state}>
      <div class="head">${head(message.own ? i18n.t('chat.you') : message.name, message.at, i18n.time(message.at))}</div>
      <div class="body">${words(message.text)}</div>
      ${message.own ? this.fate(message) : nothing}
    </li>`;
  }

  private fate(message: ChatMessage) {
    const { i18n } = this;
    if (message.state !== 'failed') return html`<p class="state">${i18n.t(`chat.${message.state}`)}</p>`;
    return html`<p class="state failed">
      <cl-icon .icon=${CircleAlert}></cl-icon>${i18n.t('chat.failed')}
      <button type="button" @click=${() => this.chat.retry(message.id)}>${i18n.t('chat.retry')}</button>
    </p>`;
  }

  private key(event: KeyboardEvent): void {
    if (sends(event)) this.send(event);
  }

  private measure(): void {
    this.problem = tooLong(this.field.value, this.i18n);
  }

  private send(event: Event): void {
    event.preventDefault();
    this.measure();
    if (this.problem) return;
    this.chat.send(this.identity, this.name, this.field.value);
    this.field.value = '';
  }
}
