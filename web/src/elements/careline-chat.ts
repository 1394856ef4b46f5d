import type { PropertyValues } from 'lit';
import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { CircleAlert, Phone } from 'lucide';
import { newId } from '../core/chat';
import type { Trouble } from '../core/client';
import { I18n, loadLanguage } from '../core/i18n';
import type { Texts } from '../core/i18n';
import { RingApi } from '../core/ring/api';
import type { Way } from '../core/ring/api';
import { Calling } from '../core/ring/calling';
import { Ringing } from '../core/ring/ringing';
import { openThread } from '../core/thread/open';
import type { Envelope } from '../core/thread/live';
import type { Thread } from '../core/thread/thread';
import type { TokenFacts } from '../core/token';
import { readToken, writeFragment } from '../core/token';
import './icon';
import './language-select';
import './notice-page';
import './ringing';
import { base, buttons, tokens } from './styles';
import './thread';
import { Watch } from './watch';

/** Why there is no conversation to show. */
type Obstacle = 'incomplete' | 'expired' | 'gone' | 'failed';

/** The way into a call: the join token, and the page that takes it. */
export interface CallOpening {
  token: string;
  url: string;
}

/** So many others a call rings for; those of larger conversations join it from there. */
const mostRung = 100;

const obstacles: Record<Trouble, Obstacle> = { expired: 'expired', forbidden: 'gone', gone: 'gone', busy: 'failed', unreachable: 'failed', failed: 'failed' };

/**
 * A kept conversation in one tag, without a call: `<careline-chat token="..." server-url="https://...">`.
 *
 * The token names the conversation, or `conversation` does. A newer token for the same person is simply taken over.
 * Removing the element closes the conversation. Fires `chat-ready`, `chat-unread` with the number of unread messages,
 * `call-ringing` with the number of calls that ring for the reader, and `call-open` with the way into one: the element then
 * opens the server's call page in place of this one, unless the event's default is prevented.
 */
@customElement('careline-chat')
export class CarelineChat extends LitElement {
  static override styles = [
    tokens,
    base,
    buttons,
    css`
      :host {
        display: block;
        block-size: 100%;
        min-block-size: 16rem;
        background: var(--_surface);
        container-type: inline-size;
      }
      main {
        background: var(--_raised);
        display: flex;
        flex-direction: column;
        block-size: 100%;
        max-inline-size: 60rem;
        margin-inline: auto;
      }
      main.alone {
        display: grid;
        background: transparent;
      }
      @container (min-width: 62rem) {
        main:not(.alone) {
          border-inline: 1px solid var(--_line);
        }
      }
      header {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 4px 16px;
        padding: 8px 16px;
        border-block-end: 1px solid var(--_line);
      }
      h1 {
        flex: 1 1 8rem;
        min-inline-size: 0;
        font-size: var(--_body);
        overflow-wrap: anywhere;
      }
      h1:focus {
        outline: none;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 8px;
      }
      header p {
        font-size: var(--_small);
        color: var(--_muted);
      }
      cl-thread {
        flex: 1;
      }
    `,
  ];

  @property() token = '';
  /** Where the conversation is kept; the page's own server when empty. */
  @property({ attribute: 'server-url' }) serverUrl = '';
  /** Which conversation, where the token does not say. */
  @property() conversation = '';
  /** Texts that replace the built-in ones, by key. */
  @property({ attribute: false }) strings: Texts = {};
  /** The language of the texts; the page's own when empty. */
  @property({ attribute: 'lang' }) language = '';

  @state() private thread: Thread | undefined;
  @state() private i18n = new I18n();
  /** False until the language is loaded: nothing is shown in another one first. */
  @state() private spoken = false;

  private facts: TokenFacts | undefined;
  /** What the thread was opened for. */
  private opened = '';
  private ringing: Ringing | undefined;
  private calling: Calling | undefined;
  private unread = -1;
  private rang = 0;
  private readonly hurry = (): void => this.thread?.hurry();

  constructor() {
    super();
    new Watch(this, () => [this.thread, this.ringing, this.calling]);
    this.addEventListener('language-chosen', (e) => (this.lang = (e as CustomEvent<string>).detail));
  }

  override connectedCallback(): void {
    super.connectedCallback();
    for (const event of ['online', 'focus']) addEventListener(event, this.hurry);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const event of ['online', 'focus']) removeEventListener(event, this.hurry);
    // Moving the element within the page disconnects it only for a moment.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.close();
    });
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('language') || changed.has('strings')) void this.speak();
    if (changed.has('token') || changed.has('conversation') || changed.has('serverUrl') || !this.thread) this.open();
  }

  override updated(): void {
    const rings = this.ringing?.rings.length ?? 0;
    if (rings !== this.rang) this.dispatchEvent(new CustomEvent('call-ringing', { detail: (this.rang = rings) }));
    const { thread } = this;
    if (thread?.phase !== 'ready' || thread.unread === this.unread) return;
    if (this.unread < 0) this.dispatchEvent(new CustomEvent('chat-ready'));
    this.unread = thread.unread;
    this.dispatchEvent(new CustomEvent('chat-unread', { detail: this.unread }));
  }

  override render() {
    const { i18n, thread } = this;
    if (!this.spoken) return nothing;
    const obstacle = this.obstacle();
    if (obstacle || !thread) return this.alone(obstacle ?? 'incomplete');
    return html`<main lang=${i18n.lang}>
      <header part="header">
        <h1 tabindex="-1"><bdi>${thread.conversation?.subject ?? i18n.t('chat.title')}</bdi></h1>
        <div class="tools">
          <p role="status" part="connection" data-link=${thread.link}>${this.link(thread)}</p>
          ${this.caller(thread)}
          <cl-language-select compact .i18n=${i18n}></cl-language-select>
        </div>
      </header>
      ${this.rings(thread)}
      <cl-thread
        exportparts="log, message, bubble, fate, file, composer, typing"
        .i18n=${i18n}
        .thread=${thread}
        .permissions=${this.facts?.permissions ?? []}
      ></cl-thread>
    </main>`;
  }

  private rings(thread: Thread) {
    const { i18n, ringing, calling } = this;
    if (!ringing || !calling) return nothing;
    return html`<cl-ringing
      exportparts="ring"
      .i18n=${i18n}
      .ringing=${ringing}
      .calling=${calling}
      .nameOf=${(identity: string) => thread.nameOf(identity)}
      @done=${() => this.renderRoot.querySelector('h1')?.focus()}
    ></cl-ringing>`;
  }

  /** The button that calls the others. */
  private caller({ conversation }: Thread) {
    const { i18n, calling } = this;
    if (!calling || conversation?.status !== 'active' || !this.facts?.permissions.includes('call:create')) return nothing;
    const ring = conversation.participants - 1 <= mostRung;
    return html`<button type="button" part="call" aria-disabled=${calling.state !== 'idle'} @click=${() => void calling.begin(ring)}>
      <cl-icon .icon=${Phone}></cl-icon>${i18n.t('ring.call')}
    </button>`;
  }

  private link({ link, trouble }: Thread): string {
    return this.i18n.t(link === 'lost' && trouble === 'expired' ? 'thread.obstacle.expired.title' : `thread.link.${link}`);
  }

  private alone(obstacle: Obstacle) {
    const { i18n } = this;
    return html`<main class="alone" lang=${i18n.lang}>
      <cl-notice-page
        data-obstacle=${obstacle}
        .icon=${CircleAlert}
        heading=${i18n.t(`thread.obstacle.${obstacle}.title`)}
        body=${i18n.t(`thread.obstacle.${obstacle}.body`)}
      >
        ${obstacle === 'failed' ? html`<button type="button" class="primary" @click=${() => this.reopen()}>${i18n.t('chat.retry')}</button>` : nothing}
      </cl-notice-page>
    </main>`;
  }

  private obstacle(): Obstacle | undefined {
    if (!this.thread) return 'incomplete';
    return this.thread.phase === 'refused' ? obstacles[this.thread.trouble ?? 'failed'] : undefined;
  }

  private open(): void {
    this.facts = readToken(this.token);
    const conversation = this.conversation || this.facts?.conversation;
    const server = this.serverUrl || location.origin;
    const wanted = this.facts && conversation ? JSON.stringify([server, conversation, this.facts.identity]) : '';
    if (wanted === this.opened && this.thread && this.thread.phase !== 'refused') {
      this.thread.hurry();
      return;
    }
    this.close();
    this.opened = wanted;
    if (!this.facts || !conversation) return;
    const { identity } = this.facts;
    const token = (): string => this.token;
    const api = new RingApi(server, token);
    const enter = ({ token }: Way): void => this.enter(server, token);
    const ringing = new Ringing({ api, identity, enter, newKey: newId, mayAnswer: (call) => this.mayAnswer(call) });
    const calling = new Calling({ api, conversation, identity, enter });
    const calls = (event: Envelope): void => {
      ringing.hear(event);
      calling.hear(event);
    };
    this.ringing = ringing;
    this.calling = calling;
    this.thread = openThread({ server, conversation, identity, token, calls });
    this.thread.start();
  }

  private mayAnswer(call: string): boolean {
    return this.facts?.room === call || this.facts?.permissions.includes('call:answer') === true;
  }

  /** Leaves the page for the call, unless the host of the element has another place for it. */
  private enter(server: string, token: string): void {
    const url = new URL(`/call${writeFragment({ token, name: '' })}`, server.replace(/^ws/, 'http')).href;
    const opening = new CustomEvent<CallOpening>('call-open', { detail: { token, url }, cancelable: true });
    if (this.dispatchEvent(opening)) location.assign(url);
  }

  private reopen(): void {
    this.close();
    this.open();
  }

  private close(): void {
    for (const part of [this.thread, this.ringing, this.calling]) part?.stop();
    this.thread = this.ringing = this.calling = undefined;
    this.opened = '';
    this.unread = -1;
  }

  private async speak(): Promise<void> {
    this.i18n = await loadLanguage(this.language || document.documentElement.lang || 'en', this.strings);
    this.dir = this.i18n.dir;
    this.spoken = true;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'careline-chat': CarelineChat;
  }
}
