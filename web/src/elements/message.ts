import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { Check, CheckCheck, CircleAlert, Clock, Ellipsis, MapPin, Pencil, Reply, Trash2 } from 'lucide';
import type { IconNode } from 'lucide';
import type { I18n, TextKey } from '../core/i18n';
import type { Message } from '../core/thread/api';
import { failureOf } from '../core/thread/failure';
import type { Outgoing } from '../core/thread/outbox';
import type { Thread } from '../core/thread/thread';
import './attachment';
import { bubble, head, words } from './bubble';
import './icon';
import { base, buttons } from './styles';

/** What a reader may do with a message. */
export interface MessageRights {
  reply: boolean;
  edit: boolean;
  remove: boolean;
}

const systemTexts: Partial<Record<string, TextKey>> = {
  participant_joined: 'thread.joined',
  participant_left: 'thread.left',
  participant_removed: 'thread.removed',
  conversation_closed: 'thread.closed',
  conversation_reopened: 'thread.reopened',
  call_started: 'thread.callStarted',
  call_ended: 'thread.callEnded',
  call_missed: 'thread.callMissed',
  call_declined: 'thread.callDeclined',
  call_cancelled: 'thread.callCancelled',
};

/** One message, stored or on its way. Fires `reply`, `edit`, `remove`, and `show` with the number of the message that it answers. */
@customElement('cl-message')
export class ClMessage extends LitElement {
  static override styles = [
    base,
    buttons,
    bubble,
    css`
      :host {
        display: block;
      }
      .edited {
        flex: none;
        color: var(--_muted);
      }
      .row {
        display: flex;
        align-items: start;
        gap: 4px;
      }
      .body {
        flex: 0 1 auto;
        min-inline-size: 0;
        display: grid;
        gap: 8px;
      }
      .place a {
        color: var(--_accent);
      }
      .gone,
      .system {
        color: var(--_muted);
        font-size: var(--_small);
      }
      .system {
        text-align: center;
      }
      .quote {
        display: block;
        inline-size: 100%;
        min-block-size: 44px;
        padding: 4px 8px;
        border: 0;
        border-inline-start: 3px solid var(--_accent);
        border-radius: 0;
        background: transparent;
        text-align: start;
        font-size: var(--_small);
        font-weight: inherit;
      }
      .quote span {
        display: -webkit-box;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 2;
        overflow: hidden;
        overflow-wrap: anywhere;
      }
      .more {
        flex: none;
        padding: 0;
        color: var(--_muted);
      }
      .actions,
      .state {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 8px;
        font-size: var(--_small);
      }
      .actions {
        margin-block-start: 4px;
      }
      .state {
        color: var(--_muted);
      }
      .state cl-icon {
        font-size: 0.75rem;
      }
      .state.failed {
        color: var(--_danger);
      }
      .state.failed cl-icon {
        font-size: 1rem;
      }
      .state.failed span,
      .place span {
        flex: 1 1 7rem;
      }
      .place {
        display: flex;
        flex-wrap: wrap;
        gap: 4px 8px;
        align-items: center;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) thread!: Thread;
  @property({ attribute: false }) message: Message | undefined;
  @property({ attribute: false }) outgoing: Outgoing | undefined;
  @property({ attribute: false }) rights: MessageRights = { reply: false, edit: false, remove: false };
  /** Changes when something changed that a message shows beside itself: names, marks. */
  @property({ attribute: false }) version: unknown;
  @state() private open = false;

  override render() {
    const { message, outgoing } = this;
    if (outgoing) return this.unsent(outgoing);
    if (!message) return nothing;
    return message.kind === 'system' ? this.system(message) : this.stored(message);
  }

  private stored(message: Message) {
    const { i18n, thread } = this;
    const own = message.sender === thread.identity;
    const gone = message.deleted_at !== undefined || message.erased === true;
    const at = new Date(message.created_at);
    return html`<div class=${own ? 'own' : ''}>
      <div class="head">
        ${head(own ? i18n.t('chat.you') : thread.nameOf(message.sender ?? ''), at, i18n.time(at))}
        ${message.edited_at && !gone ? html`<span class="edited">${i18n.t('thread.edited')}</span>` : nothing}
      </div>
      <div class="row">
        <div class="body" part="bubble">
          ${gone
            ? html`<p class="gone">${i18n.t(message.erased ? 'thread.erased' : 'thread.deleted')}</p>`
            : [this.quote(message.reply_to_seq), this.place(message.location), this.files(message.attachments), message.text ? words(message.text) : nothing]}
        </div>
        ${gone ? nothing : this.opener()}
      </div>
      ${this.open && !gone ? this.actions(message) : nothing} ${own && !gone ? this.fate(message) : nothing}
    </div>`;
  }

  private unsent(message: Outgoing) {
    const { i18n, thread } = this;
    const at = new Date(message.at);
    return html`<div class="own">
      <div class="head">${head(i18n.t('chat.you'), at, i18n.time(at))}</div>
      <div class="row">
        <div class="body" part="bubble">
          ${this.quote(message.replyTo)} ${this.place(message.location)} ${this.files(message.attachments)} ${message.text ? words(message.text) : nothing}
        </div>
      </div>
      ${message.state === 'sending'
        ? html`<p class="state"><cl-icon .icon=${Clock}></cl-icon>${i18n.t('thread.sending')}</p>`
        : html`<div class="state failed">
            <cl-icon .icon=${CircleAlert}></cl-icon><span>${i18n.t(failureOf(message.trouble, message.code))}</span>
            <button type="button" @click=${() => thread.retry(message.key)}>${i18n.t('chat.retry')}</button>
            <button type="button" class="plain" @click=${() => thread.discard(message.key)}>${i18n.t('thread.discard')}</button>
          </div>`}
    </div>`;
  }

  private system(message: Message) {
    const { i18n, thread } = this;
    const key = systemTexts[message.system?.code ?? ''];
    const name = thread.nameAt(message.system?.params?.['participant'] ?? '') ?? i18n.t('thread.somebody');
    return html`<p class="system">${i18n.t(key ?? 'thread.system', { name })} <time datetime=${message.created_at}>${i18n.time(new Date(message.created_at))}</time></p>`;
  }

  private quote(seq: number | undefined) {
    if (!seq) return nothing;
    const { i18n, thread } = this;
    const answered = thread.message(seq);
    const name = answered ? (answered.sender === thread.identity ? i18n.t('chat.you') : thread.nameOf(answered.sender ?? '')) : '';
    return html`<button type="button" class="quote" @click=${() => this.fire('show', seq)}>
      <span class="unseen">${i18n.t('thread.answers')} </span><span><bdi>${name}</bdi></span><span dir="auto">${answered ? digest(answered, i18n) : i18n.t('thread.earlier')}</span>
    </button>`;
  }

  private place(location: Message['location'] | Outgoing['location']) {
    if (!location) return nothing;
    const { i18n } = this;
    const { lat, lon, accuracy } = location;
    const at = `${lat.toFixed(5)}, ${lon.toFixed(5)}`;
    return html`<p class="place">
      <cl-icon .icon=${MapPin}></cl-icon>
      <span>${i18n.t('thread.place')} <bdi dir="ltr">${at}</bdi>${accuracy === undefined ? nothing : html` · ${i18n.t('thread.accuracy', { meters: Math.round(accuracy) })}`}</span>
      <a href=${`https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=16/${lat}/${lon}`} target="_blank" rel="noopener noreferrer nofollow">${i18n.t('thread.map')}</a>
    </p>`;
  }

  private files(files: Message['attachments'] | Outgoing['attachments']) {
    return (files ?? []).map((file) => html`<cl-attachment exportparts="file" .i18n=${this.i18n} .api=${this.thread.api} .file=${file}></cl-attachment>`);
  }

  private opener() {
    const { reply, edit, remove } = this.rights;
    if (!reply && !edit && !remove) return nothing;
    return html`<button type="button" class="plain more" aria-expanded=${this.open} aria-label=${this.i18n.t('thread.actions')} @click=${() => (this.open = !this.open)}>
      <cl-icon .icon=${Ellipsis}></cl-icon>
    </button>`;
  }

  private actions(message: Message) {
    const { reply, edit, remove } = this.rights;
    return html`<div class="actions">
      ${reply ? this.action(Reply, 'thread.reply', 'reply') : nothing}
      ${edit && message.text ? this.action(Pencil, 'thread.edit', 'edit') : nothing}
      ${remove ? this.action(Trash2, 'thread.delete', 'remove') : nothing}
    </div>`;
  }

  private action(icon: IconNode, text: TextKey, what: 'reply' | 'edit' | 'remove') {
    return html`<button
      type="button"
      @click=${() => {
        this.open = false;
        this.fire(what, undefined);
      }}
    >
      <cl-icon ?directional=${what === 'reply'} .icon=${icon}></cl-icon>${this.i18n.t(text)}
    </button>`;
  }

  private fate(message: Message) {
    const { i18n, thread } = this;
    const { recipients, delivered, read } = thread.progress(message);
    let text = i18n.t('thread.stored');
    if (recipients > 0 && read === recipients) text = i18n.t('thread.read');
    else if (read > 0) text = i18n.t('thread.readBy', { count: read, all: recipients });
    else if (recipients > 0 && delivered === recipients) text = i18n.t('thread.delivered');
    // Changes of it are not read out: they would drown what people write.
    return html`<p class="state" part="fate" aria-live="off"><cl-icon .icon=${delivered > 0 ? CheckCheck : Check}></cl-icon>${text}</p>`;
  }

  private fire(what: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}

/** What a message says, in a line. */
export function digest(message: Message, i18n: I18n): string {
  if (message.deleted_at) return i18n.t('thread.deleted');
  if (message.text) return message.text;
  const [file] = message.attachments ?? [];
  return file ? file.name : i18n.t(message.kind === 'location' ? 'thread.place' : 'thread.earlier');
}
