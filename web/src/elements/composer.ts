import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { MapPin, Paperclip, SendHorizontal, X } from 'lucide';
import { troubleOf, Refused } from '../core/client';
import type { I18n, TextKey } from '../core/i18n';
import type { Message } from '../core/thread/api';
import { failureOf } from '../core/thread/failure';
import { locate } from '../core/thread/locate';
import type { Enclosures } from '../core/thread/enclosures';
import { mostFiles } from '../core/thread/enclosures';
import type { Thread } from '../core/thread/thread';
import type { Upload } from '../core/thread/upload';
import './icon';
import { digest } from './message';
import { fieldOf, messageField, sends, tooLong } from './message-field';
import { base, buttons, fields } from './styles';
import { Watch } from './watch';

/** The field to write a message, with what goes along: files, a place, the message that it answers or changes. */
@customElement('cl-composer')
export class ClComposer extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    messageField,
    css`
      :host {
        display: block;
      }
      form {
        display: grid;
        gap: 8px;
        padding: 8px 12px 12px;
        border-block-start: 1px solid var(--_line);
      }
      .line {
        display: flex;
        align-items: end;
        gap: 4px;
      }
      .line button {
        flex: none;
      }
      .line button.plain {
        padding: 8px;
      }
      .about,
      li {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 8px;
        font-size: var(--_small);
      }
      .about {
        padding-inline-start: 8px;
        border-inline-start: 3px solid var(--_accent);
      }
      .about p,
      .name {
        flex: 1 1 6rem;
        min-inline-size: 0;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      ul {
        display: grid;
        gap: 4px;
      }
      progress {
        flex: 1 1 4rem;
        min-inline-size: 0;
        accent-color: var(--_accent);
      }
      .about button,
      li button {
        padding-block: 4px;
      }
      @container (max-width: 30rem) {
        .line .primary span {
          position: absolute;
          inline-size: 1px;
          block-size: 1px;
          overflow: hidden;
          clip-path: inset(50%);
        }
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) thread!: Thread;
  @state() private editing: Message | undefined;
  @state() private locating = false;
  @state() private problem = '';
  @query('textarea') private readonly field!: HTMLTextAreaElement;
  @query('input[type=file]') private readonly picker!: HTMLInputElement;

  constructor() {
    super();
    new Watch(this, () => [this.enclosures, ...this.enclosures.uploads]);
  }

  private get enclosures(): Enclosures {
    return this.thread.enclosures;
  }

  override firstUpdated(): void {
    this.field.value = this.thread.drafts.text;
  }

  override focus(): void {
    void this.updateComplete.then(() => this.field.focus());
  }

  /** Answers a message. */
  reply(message: Message): void {
    this.cancelEdit();
    this.enclosures.answer(message);
    this.focus();
  }

  /** Changes what an own message says. */
  edit(message: Message): void {
    this.enclosures.answer(undefined);
    this.editing = message;
    this.field.value = message.text ?? '';
    this.focus();
  }

  /** Takes files, to be sent with the next message. */
  attach(files: readonly File[]): void {
    if (files.length === 0 || this.editing) return;
    if (!this.enclosures.attach(files)) this.problem = this.i18n.t('compose.tooMany', { count: mostFiles });
  }

  override render() {
    const { i18n, editing } = this;
    return html`<form part="composer" @submit=${(e: Event) => void this.submit(e)}>
      ${this.about()} ${this.extras()}
      <p id="problem" class="problem" role="status">${this.problem || nothing}</p>
      <div class="line">
        ${editing
          ? nothing
          : html`<button type="button" class="plain" aria-label=${i18n.t('compose.attach')} title=${i18n.t('compose.attach')} @click=${() => this.picker.click()}>
                <cl-icon .icon=${Paperclip}></cl-icon>
              </button>
              <button type="button" class="plain" aria-label=${i18n.t('compose.locate')} title=${i18n.t('compose.locate')} ?disabled=${this.locating} @click=${() => void this.find()}>
                <cl-icon .icon=${MapPin}></cl-icon>
              </button>`}
        ${fieldOf(i18n, { key: (e) => this.key(e), typed: () => this.typed(), pasted: (e) => this.pasted(e) })}
        <button class="primary"><cl-icon directional .icon=${SendHorizontal}></cl-icon><span>${i18n.t(editing ? 'compose.save' : 'chat.send')}</span></button>
      </div>
      <input type="file" multiple hidden tabindex="-1" aria-label=${i18n.t('compose.attach')} @change=${() => this.picked()} />
    </form>`;
  }

  /** What the message answers or changes. */
  private about() {
    const { i18n, editing } = this;
    const message = editing ?? this.enclosures.replying;
    if (!message) return nothing;
    return html`<div class="about">
      <p>${i18n.t(editing ? 'compose.editing' : 'compose.replying')} <bdi>${digest(message, i18n)}</bdi></p>
      <button type="button" class="plain" @click=${() => this.cancel()}><cl-icon .icon=${X}></cl-icon>${i18n.t('compose.cancel')}</button>
    </div>`;
  }

  private extras() {
    const { i18n } = this;
    const { uploads, place } = this.enclosures;
    if (uploads.length === 0 && !place && !this.locating) return nothing;
    return html`<ul>
      ${uploads.map((upload) => this.file(upload))}
      ${this.locating ? html`<li role="status">${i18n.t('compose.locating')}</li>` : nothing}
      ${place
        ? html`<li>
            <cl-icon .icon=${MapPin}></cl-icon><span class="name">${i18n.t('compose.place')}</span>
            <button type="button" class="plain" @click=${() => this.enclosures.setPlace(undefined)}><cl-icon .icon=${X}></cl-icon>${i18n.t('compose.drop')}</button>
          </li>`
        : nothing}
    </ul>`;
  }

  private file(upload: Upload) {
    const { i18n } = this;
    return html`<li data-upload=${upload.state}>
      <span class="name"><bdi>${upload.file.name}</bdi></span>
      ${upload.state === 'uploading'
        ? html`<progress aria-label=${i18n.t('compose.uploading', { name: upload.file.name })} max=${Math.max(1, upload.file.size)} value=${upload.sent}></progress>`
        : nothing}
      ${upload.state === 'failed'
        ? html`<span class="problem" role="status">${i18n.t(failureOf(upload.trouble, upload.code))}</span>
            <button type="button" @click=${() => void upload.run()}>${i18n.t('chat.retry')}</button>`
        : nothing}
      <button type="button" class="plain" @click=${() => this.enclosures.detach(upload)}>
        <cl-icon .icon=${X}></cl-icon><span>${i18n.t('compose.drop')}<span class="unseen">: ${upload.file.name}</span></span>
      </button>
    </li>`;
  }

  private key(event: KeyboardEvent): void {
    if (event.key === 'Escape' && (this.editing ?? this.enclosures.replying)) {
      event.stopPropagation();
      this.cancel();
      return;
    }
    if (sends(event)) void this.submit(event);
  }

  private typed(): void {
    this.measure();
    if (this.editing) return;
    this.thread.drafts.text = this.field.value;
    if (this.field.value.trim()) this.thread.typing.typed();
    else this.thread.typing.ended();
  }

  private measure(): boolean {
    this.problem = tooLong(this.field.value, this.i18n);
    return !this.problem;
  }

  private pasted(event: ClipboardEvent): void {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    this.attach(files);
  }

  private picked(): void {
    this.attach([...(this.picker.files ?? [])]);
    this.picker.value = '';
    this.focus();
  }

  private async find(): Promise<void> {
    this.locating = true;
    this.problem = '';
    const found = await locate('geolocation' in navigator ? navigator.geolocation : undefined);
    this.locating = false;
    if (typeof found === 'string') this.problem = this.i18n.t(`compose.place.${found}` satisfies TextKey);
    else this.enclosures.setPlace(found);
    this.focus();
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    if (!this.measure()) return;
    if (this.editing) {
      await this.change(this.editing);
      return;
    }
    const { thread } = this;
    const { files, place, ready, replying } = this.enclosures;
    const text = this.field.value.trim();
    if (!ready) {
      this.problem = this.i18n.t('compose.wait');
      return;
    }
    if (!text && files.length === 0 && !place) return;
    // A place is a message of its own; what else is there goes before it.
    if (text || files.length > 0) thread.send({ text, files, ...(replying ? { replyTo: replying.seq } : {}) });
    if (place) thread.send({ place });
    this.enclosures.clear();
    this.field.value = thread.drafts.text = '';
    this.dispatchEvent(new CustomEvent('sent'));
  }

  private async change(message: Message): Promise<void> {
    const text = this.field.value.trim();
    if (!text) return;
    try {
      if (text !== message.text) await this.thread.edit(message, text);
      this.cancelEdit();
    } catch (error) {
      this.problem = this.i18n.t(failureOf(troubleOf(error), error instanceof Refused ? error.code : ''));
    }
  }

  private cancel(): void {
    this.cancelEdit();
    this.enclosures.answer(undefined);
    this.problem = '';
    this.focus();
  }

  /** What was begun before the change is there again. */
  private cancelEdit(): void {
    if (!this.editing) return;
    this.editing = undefined;
    this.problem = '';
    this.field.value = this.thread.drafts.text;
  }
}
