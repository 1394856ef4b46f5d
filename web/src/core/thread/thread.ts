import type { Trouble } from '../client';
import { Refused, troubleOf } from '../client';
import { Observable } from '../observable';
import { isCallEvent } from '../ring/event';
import type { Attachment, Conversation, Message, Stored, ThreadServer } from './api';
import type { Drafts, Unsent } from './drafts';
import { Enclosures } from './enclosures';
import type { Envelope, Hearer } from './live';
import type { Place } from './locate';
import { Members } from './members';
import type { Outgoing } from './outbox';
import { Outbox } from './outbox';
import type { Progress } from './receipts';
import { OwnMarks, Receipts } from './receipts';
import { Sequence, messageNumber } from './sequence';
import { Typing } from './typing';
import { Window } from './window';

/** What connects a thread with the server's word; made for it by `connect` of its options. */
export interface Line {
  start(): void;
  stop(): void;
  hurry(): void;
  forget(): void;
}

export interface ThreadOptions {
  api: ThreadServer;
  drafts: Drafts;
  /** Who reads and writes here. */
  identity: string;
  connect: (hearer: Hearer) => Line;
  newKey: () => string;
  /** Hears what happens of calls, in this conversation or to the reader anywhere else. */
  calls?: ((event: Envelope) => void) | undefined;
  /** For so many milliseconds a conversation that is not there may still come: whoever enters a call gets the place in it a moment later. */
  patience?: number | undefined;
  /** The place is given to who reads the conversation, as to the audience of a broadcast. */
  asks?: boolean | undefined;
}

/** Until something that failed at the start is tried again, in milliseconds. */
const again = 1500;
/** So many of the newest events tell whether a call rings. */
const recent = 200;
/** The largest position there can be: asking for what is after it tells where the log ends. */
const end = Number.MAX_SAFE_INTEGER;

/**
 * One conversation as one person sees it: what is stored, what is on its way, what is unread, who writes.
 *
 * The server's numbers are the truth. Events come in the order of the conversation's log; when a position is missing,
 * what is between is read by HTTP. Taking the same news twice changes nothing.
 */
export class Thread extends Observable implements Hearer {
  phase: 'loading' | 'ready' | 'refused' = 'loading';
  /** Why it is refused, or why it still loads. */
  trouble: Trouble | undefined;
  /** Whether news arrive by themselves. */
  link: 'live' | 'connecting' | 'lost' = 'connecting';
  conversation: Conversation | undefined;
  /** Number of the first message that was unread when the reader came, or looked away; 0: none. */
  line = 0;
  /** Counts changes, for who shows something that depends on all of it. */
  version = 0;
  /** A page of older or newer messages is on its way. */
  fetching = false;

  readonly typing: Typing;
  readonly drafts: Drafts;
  readonly enclosures: Enclosures;
  readonly identity: string;
  readonly api: ThreadServer;

  private readonly window = new Window();
  private readonly outbox: Outbox;
  private readonly receipts = new Receipts();
  private readonly marks: OwnMarks;
  private readonly connection: Line;
  private readonly members: Members;
  private readonly sequence: Sequence;
  private attending = false;
  private stopped = false;
  private connected = false;
  private readonly begun = Date.now();
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** When the last message was written: no two at the same time, so that each is recognised when it comes back. */
  private lastWritten = 0;

  constructor(private readonly options: ThreadOptions) {
    super();
    const { api, drafts } = options;
    this.api = api;
    this.drafts = drafts;
    this.enclosures = new Enclosures(api);
    this.identity = options.identity;
    this.outbox = new Outbox((message) => api.send(message), drafts, (message, at) => this.wasStored(message, at), () => this.changed());
    this.members = new Members(
      () => api.members(),
      (members) => {
        this.receipts.learn(members);
        this.changed();
      },
    );
    this.marks = new OwnMarks((marks) => api.mark(marks));
    this.typing = new Typing((on) => api.typing(on), () => this.changed());
    this.sequence = new Sequence({
      events: (after) => api.events(after),
      happened: (event) => this.happened(event),
      follow: (touched) => this.follow(touched),
      reload: () => this.reload(),
      gone: () => this.refuse('gone'),
    });
    this.connection = options.connect(this);
  }

  start(): void {
    void this.load();
  }

  stop(): void {
    this.stopped = true;
    this.connection.stop();
    this.outbox.stop();
    this.enclosures.stop();
    this.marks.stop();
    this.typing.stop();
    this.members.stop();
    this.sequence.stop();
    clearTimeout(this.timer);
  }

  /** The stored messages that are shown, in order. */
  get messages(): readonly Message[] {
    return this.window.messages;
  }

  /** Own messages that are not seen to be stored. */
  get outgoing(): readonly Outgoing[] {
    return this.outbox.items.filter((m) => !this.arrived(m));
  }

  get older(): boolean {
    return this.window.older;
  }

  /** There are newer messages than those shown. */
  get newer(): boolean {
    return this.window.newer;
  }

  /** How many messages of others are unread. */
  get unread(): number {
    const { window, marks } = this;
    if (window.from > marks.read + 1 && window.older) return this.conversation?.unread ?? 0;
    return this.messages.filter((m) => m.seq > marks.read && this.counts(m)).length + (window.newer ? window.newest - window.to : 0);
  }

  nameOf(user: string): string {
    return this.members.nameOf(user);
  }

  /** The name of the member with a place, as system messages name it. */
  nameAt(place: string): string | undefined {
    const member = this.members.at(place);
    return member && this.nameOf(member.user_id);
  }

  message(seq: number): Message | undefined {
    return this.window.get(seq);
  }

  progress(message: Message): Progress {
    return this.receipts.of(message);
  }

  /** Sends a text, files or a place, now or when there is a connection. */
  send(what: { text?: string; files?: readonly Attachment[]; place?: Place; replyTo?: number }): void {
    const { text = '', files = [], place, replyTo } = what;
    const pictures = files.length > 0 && files.every((f) => f.type.startsWith('image/'));
    const message: Unsent = {
      key: this.options.newKey(),
      kind: place ? 'location' : pictures ? 'image' : files.length > 0 ? 'file' : 'text',
      text: text.trim(),
      at: (this.lastWritten = Math.max(Date.now(), this.lastWritten + 1)),
      ...(files.length > 0 ? { attachments: files } : {}),
      ...(place ? { location: place } : {}),
      ...(replyTo ? { replyTo } : {}),
    };
    this.line = 0;
    this.typing.ended();
    this.outbox.add(message);
    if (this.newer) void this.toNewest();
  }

  retry(key: string): void {
    this.outbox.retry(key);
  }

  discard(key: string): void {
    this.outbox.discard(key);
  }

  /** Changes what an own message says. Throws `Refused`. */
  async edit(message: Message, text: string): Promise<void> {
    this.take(await this.api.edit(message.seq, message.revision, text.trim()));
  }

  /** Deletes a message. Throws `Refused`. */
  async remove(message: Message): Promise<void> {
    await this.api.remove(message.seq);
    await this.refetch(message.seq);
  }

  /** Tells whether the reader looks at the newest messages. */
  attend(attending: boolean): void {
    this.attending = attending;
  }

  /** The reader has seen everything up to a message, or jumped over some of it: then nothing is said to be read. */
  seen(seq: number): void {
    if (seq <= this.marks.read || (this.window.from > this.marks.read + 1 && this.window.older)) return;
    this.marks.raise({ read: seq });
    this.changed();
  }

  fetchOlder(): Promise<void> {
    return this.fetch(async () => this.window.prepend(await this.api.page({ before: this.window.from })));
  }

  fetchNewer(): Promise<void> {
    return this.fetch(async () => this.window.append(await this.api.page({ after: this.window.to })));
  }

  /** Makes a message one of those that are shown. False: it is not there. */
  async show(seq: number): Promise<boolean> {
    if (!this.window.get(seq)) await this.fetch(async () => this.window.replace(await this.api.page({ around: seq }), this.window.newest));
    return this.window.get(seq) !== undefined;
  }

  async toNewest(): Promise<void> {
    if (this.newer) await this.fetch(async () => this.window.replace(await this.api.page({}), this.window.newest));
  }

  // What the connection tells.

  up(): void {
    this.link = 'live';
    this.outbox.retryLost();
    // The server goes on where we left, but only this conversation's log says that nothing is missing.
    void this.sequence.catchUp();
    // Marks are of the moment: those of a break are not told again.
    this.members.ask();
    this.changed();
  }

  down(trouble: Trouble): void {
    this.link = 'lost';
    this.trouble = trouble;
    // Where only the realtime connection does not get through, what happened can still be read.
    if (this.phase === 'ready') void this.sequence.catchUp();
    this.changed();
  }

  hear(envelope: Envelope): void {
    if (envelope.type === 'reset') {
      this.connection.forget();
      void this.reload();
      return;
    }
    if (envelope.conv !== this.api.conversation) {
      this.ring(envelope);
      return;
    }
    if (this.phase !== 'ready') return;
    const { cpos } = envelope;
    if (cpos === undefined) this.passing(envelope);
    else this.sequence.hear(envelope, cpos);
  }

  /** The network or the person came back. */
  hurry(): void {
    this.connection.hurry();
    this.outbox.retryLost();
  }

  private async load(): Promise<void> {
    try {
      await this.read();
      if (this.stopped) return;
      this.phase = 'ready';
      this.trouble = undefined;
      if (!this.connected) this.connection.start();
      this.connected = true;
      // What was told while it was read is heard by nobody.
      if (this.link === 'live') void this.sequence.catchUp();
    } catch (error) {
      this.trouble = troubleOf(error);
      const mayCome = this.trouble === 'gone' && Date.now() - this.begun < this.patience;
      const passing = this.trouble === 'unreachable' || this.trouble === 'busy' || mayCome;
      if (passing && !this.stopped) this.timer = setTimeout(() => void this.load(), again);
      else this.phase = 'refused';
    }
    this.changed();
  }

  private get patience(): number {
    return this.options.patience ?? 0;
  }

  private async read(): Promise<void> {
    if (this.options.asks) await this.api.read();
    else if (this.patience > 0 && !(await this.api.mine())) throw new Refused('reading a conversation', 'gone');
    // The end of the log first: what happens while the rest is read is then heard, at worst for a second time.
    const { last_cpos } = await this.api.events(end);
    const [conversation, members] = await Promise.all([this.api.read(), this.api.members()]);
    const { unread, read_seq, delivered_seq, last_seq } = conversation;
    const page = await this.api.page(unread > 0 ? { around: read_seq + 1 } : {});
    this.conversation = conversation;
    this.members.learn(members);
    this.sequence.position = last_cpos;
    this.window.replace(page, last_seq);
    this.marks.begin({ delivered_seq, read_seq });
    this.marks.raise({ delivered: this.window.newest });
    this.line = unread > 0 ? (this.messages.find((m) => m.seq > read_seq && this.counts(m))?.seq ?? 0) : 0;
    if (!this.options.calls || !conversation.call_id) return;
    const { items } = await this.api.events(Math.max(0, last_cpos - recent));
    for (const event of items ?? []) this.ring(event);
  }

  private ring(event: Envelope): void {
    if (isCallEvent(event)) this.options.calls?.(event);
  }

  private async reload(): Promise<void> {
    if (this.phase !== 'ready') return;
    this.phase = 'loading';
    await this.load();
  }

  /** Reads messages of which something happened. */
  private async follow(touched: ReadonlySet<number>): Promise<void> {
    const before = this.window.to;
    for (const seq of touched) if (seq <= before && this.window.get(seq)) await this.refetch(seq);
    const newest = Math.max(0, ...touched);
    this.window.newest = Math.max(this.window.newest, newest);
    while (!this.newer && this.window.to < newest) {
      const page = await this.api.page({ after: this.window.to });
      if (page.messages.length === 0) return;
      this.window.append({ ...page, newer: false });
      for (const message of page.messages) this.came(message);
    }
  }

  private async refetch(seq: number): Promise<void> {
    this.take(await this.api.message(seq));
  }

  /** Takes an event of the log, in its order. */
  private happened(event: Envelope): void {
    const data = (event.data ?? {}) as { message?: Message; principal?: string };
    switch (event.type) {
      case 'message.created':
      case 'message.updated':
      case 'message.deleted':
        if (data.message) this.take(data.message);
        else void this.catchNumber(messageNumber(event.data));
        break;
      case 'message.erased':
        void this.reload();
        break;
      case 'participant.left':
      case 'participant.removed':
        if (data.principal === this.identity) this.refuse('gone');
        else this.members.ask();
        break;
      case 'participant.joined':
      case 'participant.updated':
        this.members.ask();
        break;
      case 'conversation.deleted':
        this.refuse('gone');
        break;
      case 'conversation.updated':
      case 'conversation.linked':
      case 'conversation.closed':
      case 'conversation.reopened':
        void this.askConversation();
        break;
      default:
        this.ring(event);
    }
    this.changed();
  }

  private passing(event: Envelope): void {
    const { actor = '' } = event;
    const data = (event.data ?? {}) as { delivered_seq?: number; read_seq?: number; on?: boolean };
    if (event.type === 'receipt.updated') {
      const marks = { delivered_seq: data.delivered_seq ?? 0, read_seq: data.read_seq ?? 0 };
      // One's own come from another page of the same person.
      if (actor === this.identity) this.marks.begin(marks);
      else this.receipts.raise(actor, marks);
    }
    if (event.type === 'typing' && actor !== this.identity) this.typing.heard(actor, data.on === true);
    this.ring(event);
    this.changed();
  }

  private async catchNumber(seq: number): Promise<void> {
    await this.follow(new Set([seq])).catch(() => undefined);
    this.changed();
  }

  private take(message: Message): void {
    const news = message.seq > this.window.newest;
    if (!this.window.put(message)) {
      void this.catchNumber(message.seq);
      return;
    }
    if (news) this.came(message);
    this.changed();
  }

  /** A message that was not there before. */
  private came(message: Message): void {
    this.marks.raise({ delivered: message.seq });
    if (message.sender) this.typing.heard(message.sender, false);
    if (message.sender && !this.members.has(message.sender)) this.members.ask();
    if (this.counts(message) && !this.attending && (this.line === 0 || this.line <= this.marks.read)) this.line = message.seq;
  }

  private counts(message: Message): boolean {
    return message.kind !== 'system' && message.sender !== this.identity && !message.deleted_at;
  }

  /** An own message is on disk: it is shown as such, before its event comes. */
  private wasStored(message: Outgoing, at: Stored): void {
    if (this.window.get(at.seq)) return; // its event was faster
    const { kind, text, attachments, location, replyTo } = message;
    this.take({
      ...at,
      sent_at: new Date(message.at).toISOString(),
      kind,
      sender: this.identity,
      revision: 0,
      participantMessage: { status: 'stored', recipients: 0, delivered: 0, read: 0 },
      ...(text ? { text } : {}),
      ...(attachments ? { attachments: [...attachments] } : {}),
      ...(location ? { location } : {}),
      ...(replyTo ? { reply_to_seq: replyTo } : {}),
    });
  }

  /** Whether an outgoing message is among the stored ones: its event may be here before the answer to who sent it. */
  private arrived(message: Outgoing): boolean {
    return this.messages.some((m) => m.sender === this.identity && m.sent_at !== undefined && Date.parse(m.sent_at) === message.at);
  }

  protected override changed(): void {
    this.version++;
    super.changed();
  }

  private async askConversation(): Promise<void> {
    try {
      this.conversation = await this.api.read();
    } catch (error) {
      if (troubleOf(error) === 'gone') this.refuse('gone');
    }
    this.changed();
  }

  private async fetch(work: () => Promise<void>): Promise<void> {
    if (this.fetching) return;
    this.fetching = true;
    this.changed();
    try {
      await work();
    } catch {
      // The reader asks again by scrolling again.
    } finally {
      this.fetching = false;
      this.changed();
    }
  }

  private refuse(trouble: Trouble): void {
    this.phase = 'refused';
    this.trouble = trouble;
    this.stop();
    this.changed();
  }
}
