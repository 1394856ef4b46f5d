import type { PropertyValues, TemplateResult } from 'lit';
import { LitElement, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import { ArrowDown, Search } from 'lucide';
import type { ChatMessage } from '../core/chat';
import { Refused, troubleOf } from '../core/client';
import type { I18n } from '../core/i18n';
import type { Message } from '../core/thread/api';
import { failureOf } from '../core/thread/failure';
import type { Thread } from '../core/thread/thread';
import { bubble, head, words } from './bubble';
import './composer';
import type { ClComposer } from './composer';
import './confirm';
import type { ClConfirm } from './confirm';
import './icon';
import './message';
import type { MessageRights } from './message';
import { Place } from './scrolling';
import { base, buttons } from './styles';
import './thread-search';
import { threadStyles } from './thread-styles';
import { Watch } from './watch';

/** A kept conversation: its messages, what is new, who writes, and the field to write in. */
@customElement('cl-thread')
export class ClThread extends LitElement {
  static override styles = [base, buttons, bubble, threadStyles];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) thread!: Thread;
  /** What the reader's token allows. */
  @property({ attribute: false }) permissions: readonly string[] = [];
  /** What the reader heard before it had a place in the conversation. */
  @property({ attribute: false }) earlier: readonly ChatMessage[] = [];
  @state() private problem = '';
  /** A message that one jumped to, shown with a frame. */
  @state() private found = 0;
  @state() private lineAbove = false;
  @state() private atEnd = true;
  @state() private searching = false;
  @query('.log') private readonly log!: HTMLElement;
  @query('cl-composer') private readonly composer!: ClComposer;
  @query('cl-confirm') private readonly confirm!: ClConfirm;

  private readonly place = new Place(this, () => this.log);
  private begun = false;
  private readonly looked = (): void => this.look();

  constructor() {
    super();
    new Watch(this, () => [this.thread]);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('visibilitychange', this.looked);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('visibilitychange', this.looked);
    this.thread.attend(false);
  }

  override focus(): void {
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('cl-composer')?.focus());
  }

  /** Shows a message, wherever in the conversation it is. */
  async show(seq: number): Promise<void> {
    this.problem = '';
    if (!(await this.thread.show(seq))) {
      this.problem = this.i18n.t('thread.notThere');
      return;
    }
    this.found = seq;
    await this.updateComplete;
    this.place.goTo(`[data-seq="${seq}"]`);
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('thread')) {
      changed.get('thread')?.attend(false);
      this.begun = false;
    }
    this.place.remember();
  }

  override updated(): void {
    const { thread } = this;
    if (thread.phase !== 'ready') return;
    // Where one left off, else at the end.
    if (!this.begun) this.place.begin(thread.line > 0 ? '[data-line]' : undefined);
    this.begun = true;
    this.place.settle();
    this.look();
  }

  override render() {
    const { i18n, thread } = this;
    if (thread.phase !== 'ready') {
      // A place that is not there yet comes in a moment.
      const waiting = thread.trouble !== undefined && thread.trouble !== 'gone';
      return html`<p class="quiet loading" role="status">${i18n.t(waiting ? 'thread.waiting' : 'thread.loading')}</p>`;
    }
    const mayWrite = this.permissions.includes('chat:write') && thread.conversation?.status === 'active';
    return html`${this.search()}
      <div class="scene">
        <div class="log" part="log" role="log" aria-live="polite" tabindex="0" aria-label=${i18n.t('chat.log')} aria-busy=${thread.fetching} @scroll=${() => this.scrolled()}>
          ${thread.older
            ? html`<p class="more"><button type="button" aria-disabled=${thread.fetching} @click=${() => void thread.fetchOlder()}>${i18n.t('thread.older')}</button></p>`
            : nothing}
          ${thread.messages.length + thread.outgoing.length + this.earlier.length === 0 ? html`<p class="quiet">${i18n.t('thread.empty')}</p>` : html`<ol>${this.rows()}</ol>`}
          ${thread.newer
            ? html`<p class="more"><button type="button" aria-disabled=${thread.fetching} @click=${() => void thread.fetchNewer()}>${i18n.t('thread.newer')}</button></p>`
            : nothing}
        </div>
        ${this.jump()}
      </div>
      <p class="typing" part="typing">${this.writers()}</p>
      <p class="problem" role="status">${this.problem || nothing}</p>
      ${mayWrite
        ? html`<cl-composer exportparts="composer" .i18n=${i18n} .thread=${thread} @sent=${() => this.sent()}></cl-composer>`
        : html`<p class="quiet note">${i18n.t(thread.conversation?.status === 'closed' ? 'thread.isClosed' : 'thread.readOnly')}</p>`}
      <cl-confirm></cl-confirm>`;
  }

  private search() {
    const { i18n } = this;
    if (!this.permissions.includes('chat:search')) return nothing;
    if (!this.searching) {
      return html`<div class="tools">
        <button type="button" class="plain" id="search" @click=${() => this.openSearch()}><cl-icon .icon=${Search}></cl-icon>${i18n.t('search.open')}</button>
      </div>`;
    }
    return html`<cl-thread-search
      .i18n=${i18n}
      .thread=${this.thread}
      @show=${(e: CustomEvent<number>) => void this.show(e.detail)}
      @close=${() => this.closeSearch()}
    ></cl-thread-search>`;
  }

  private openSearch(): void {
    this.searching = true;
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('cl-thread-search')?.focus());
  }

  private closeSearch(): void {
    this.searching = false;
    this.found = 0;
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('#search')?.focus());
  }

  /** Messages with the days between them, and the line above what is unread. */
  private rows() {
    const { i18n, thread } = this;
    const rows: { key: string; row: TemplateResult }[] = this.earlier.map((m) => ({ key: m.id, row: this.heard(m) }));
    let day = '';
    for (const message of thread.messages) {
      const now = i18n.day(new Date(message.created_at));
      if (now !== day) rows.push({ key: `day ${message.seq}`, row: html`<li class="day"><span>${(day = now)}</span></li>` });
      if (message.seq === thread.line) rows.push({ key: 'line', row: html`<li class="line" data-line><span>${i18n.t('thread.line')}</span></li>` });
      rows.push({ key: String(message.seq), row: this.stored(message) });
    }
    for (const outgoing of thread.outgoing) {
      rows.push({
        key: outgoing.key,
        row: html`<li class="own" part="message" data-state=${outgoing.state}><cl-message exportparts="bubble, file" .i18n=${i18n} .thread=${thread} .outgoing=${outgoing}></cl-message></li>`,
      });
    }
    return repeat(
      rows,
      (r) => r.key,
      (r) => r.row,
    );
  }

  private heard({ name, text, at, own }: ChatMessage) {
    const { i18n } = this;
    return html`<li class=${own ? 'own' : ''} part="message">
      <div class="head">${head(own ? i18n.t('chat.you') : name, at, i18n.time(at))}</div>
      <div class="body">${words(text)}</div>
    </li>`;
  }

  private stored(message: Message) {
    const { i18n, thread } = this;
    const own = message.sender === thread.identity;
    return html`<li class="${own ? 'own' : ''} ${message.seq === this.found ? 'found' : ''}" part="message" data-seq=${message.seq} data-state="stored">
      <cl-message
        exportparts="bubble, fate, file"
        .i18n=${i18n}
        .thread=${thread}
        .message=${message}
        .version=${thread.version}
        .rights=${this.rights(message)}
        @reply=${() => this.composer.reply(message)}
        @edit=${() => this.composer.edit(message)}
        @remove=${() => void this.erase(message)}
        @show=${(e: CustomEvent<number>) => void this.show(e.detail)}
      ></cl-message>
    </li>`;
  }

  private rights(message: Message): MessageRights {
    const open = this.thread.conversation?.status === 'active';
    const own = message.sender === this.thread.identity;
    const may = (right: string): boolean => this.permissions.includes(`chat:${right}:any`) || (own && this.permissions.includes(`chat:${right}:own`));
    return { reply: open && this.permissions.includes('chat:write'), edit: open && may('edit'), remove: open && may('delete') };
  }

  /** What leads to where one is not: the first unread message, or the newest. */
  private jump() {
    const { i18n, thread } = this;
    if (this.lineAbove && thread.line > 0 && thread.unread > 0) {
      return html`<button type="button" class="jump above" @click=${() => this.place.goTo('[data-line]')}>${i18n.t('thread.toLine')}</button>`;
    }
    if (this.atEnd && !thread.newer) return nothing;
    return html`<button type="button" class="jump" @click=${() => void this.toNewest()}>
      <cl-icon .icon=${ArrowDown}></cl-icon>${thread.unread > 0 ? i18n.count('thread.unread', thread.unread) : i18n.t('thread.toNewest')}
    </button>`;
  }

  private writers() {
    const { i18n, thread } = this;
    const [first, ...rest] = thread.typing.people;
    if (!first) return nothing;
    return rest.length === 0 ? i18n.t('thread.types', { name: thread.nameOf(first) }) : i18n.t('thread.typesMany');
  }

  private scrolled(): void {
    const { thread, log } = this;
    this.place.remember();
    if (log.scrollTop < 80 && thread.older) void thread.fetchOlder();
    else if (thread.newer && this.place.distance < 80) void thread.fetchNewer();
    this.look();
  }

  /** Tells the thread what can be seen of it. */
  private look(): void {
    const { thread } = this;
    if (!this.hasUpdated || thread.phase !== 'ready') return;
    const visible = document.visibilityState === 'visible' && this.log.clientHeight > 0;
    this.atEnd = this.place.measure();
    this.lineAbove = this.place.isAbove('[data-line]');
    thread.attend(visible && this.atEnd && !thread.newer);
    const seen = visible ? this.place.lastSeen() : 0;
    if (seen > 0) thread.seen(seen);
  }

  private sent(): void {
    this.found = 0;
    this.place.toEnd();
  }

  private async toNewest(): Promise<void> {
    await this.thread.toNewest();
    this.found = 0;
    await this.updateComplete;
    this.place.toEnd();
    this.look();
  }

  private async erase(message: Message): Promise<void> {
    const { i18n } = this;
    const question = { heading: i18n.t('thread.delete.title'), body: i18n.t('thread.delete.body'), act: i18n.t('thread.delete'), cancel: i18n.t('compose.cancel') };
    if (!(await this.confirm.ask(question))) return;
    this.problem = '';
    try {
      await this.thread.remove(message);
    } catch (error) {
      this.problem = i18n.t(failureOf(troubleOf(error), error instanceof Refused ? error.code : ''));
    }
  }
}
