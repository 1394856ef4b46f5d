import { Refused } from '../src/core/client';
import type { Conversation, Marks, Member, Message, NewMessage, Page, Stored, ThreadServer } from '../src/core/thread/api';
import { pageSize } from '../src/core/thread/api';
import { Drafts } from '../src/core/thread/drafts';
import type { Keep } from '../src/core/thread/drafts';
import type { Envelope, Hearer } from '../src/core/thread/live';
import { Thread } from '../src/core/thread/thread';
import type { Line, ThreadOptions } from '../src/core/thread/thread';

/** A storage that outlives the page. */
export function keep(): Keep & { all: Map<string, string> } {
  const all = new Map<string, string>();
  return {
    all,
    getItem: (key) => all.get(key) ?? null,
    setItem: (key, value) => void all.set(key, value),
    removeItem: (key) => void all.delete(key),
  };
}

const member = (user_id: string, name: string): Member => ({
  id: `place-${user_id}`,
  user_id,
  name,
  type: 'user',
  role: 'agent',
  state: 'active',
  joined_at: '2026-11-21T08:00:00Z',
  delivered_seq: 0,
  read_seq: 0,
});

const never = (): Promise<never> => Promise.reject(new Error('a thread moves no files by itself'));

/** A conversation of `me` and `ann` as the server keeps it, with a log. */
export class FakeServer implements ThreadServer {
  readonly conversation = 'conv';
  readonly messages: Message[] = [];
  readonly log: Envelope[] = [];
  readonly people = [member('me', 'Me'), member('ann', 'Ann')];
  readonly marked: Marks[] = [];
  readonly typed: boolean[] = [];
  readonly keys = new Map<string, Stored>();
  readAt = 0;
  asked = 0;
  /** What the next requests meet instead of the server. */
  broken: Refused | undefined;
  /** The reader has no place yet. */
  absent = false;
  /** Reading the conversation gives the place. */
  opens = false;
  /** The call that the conversation has. */
  call: string | undefined;
  /** The reader has the place of a guest. */
  guest = false;
  /** Messages are stored, but the answer is lost. */
  deaf = false;

  write(sender: string, text: string, more: Partial<Message> = {}): Message {
    const seq = this.messages.length + 1;
    const message: Message = {
      conversation_id: 'conv',
      seq,
      id: `m${seq}`,
      kind: 'text',
      sender,
      text,
      created_at: new Date(1_800_000_000_000 + seq * 1000).toISOString(),
      revision: 0,
      participantMessage: { status: 'stored', recipients: 1, delivered: 0, read: 0 },
      ...more,
    };
    this.messages.push(message);
    this.note('message.created', message);
    return message;
  }

  change(seq: number, change: Partial<Message>, type = 'message.updated'): void {
    const message = { ...this.one(seq), revision: this.one(seq).revision + 1, ...change };
    this.messages[seq - 1] = message;
    this.note(type, message);
  }

  note(type: string, data: Message | object): Envelope {
    const cpos = this.log.length + 1;
    const event: Envelope = { type, conv: 'conv', cpos, cursor: `c${cpos}`, data: 'seq' in data ? { seq: data.seq, message: data } : data };
    this.log.push(event);
    return event;
  }

  private async reach(): Promise<void> {
    this.asked++;
    await Promise.resolve();
    if (this.broken) throw this.broken;
  }

  private one(seq: number): Message {
    const message = this.messages[seq - 1];
    if (!message) throw new Refused('reading a message', 'gone');
    return message;
  }

  async read(): Promise<Conversation> {
    await this.reach();
    if (this.opens) this.absent = false;
    const me = this.people[0];
    if (!me || this.absent) throw new Refused('reading', 'gone');
    return {
      id: 'conv',
      type: 'group',
      status: 'active',
      created_at: '2026-11-21T08:00:00Z',
      created_by: 'ann',
      participants: 2,
      revision: 0,
      last_seq: this.messages.length,
      last_activity_at: '2026-11-21T08:00:00Z',
      unread: this.messages.filter((m) => m.seq > this.readAt && m.sender !== 'me').length,
      me: { ...me, type: this.guest ? 'guest' : 'user' },
      delivered_seq: this.readAt,
      read_seq: this.readAt,
      ...(this.call ? { call_id: this.call } : {}),
    };
  }

  async mine(): Promise<boolean> {
    await this.reach();
    return !this.absent;
  }

  async members(): Promise<Member[]> {
    await this.reach();
    return this.people;
  }

  async page(at: { after?: number; before?: number; around?: number }): Promise<Page> {
    await this.reach();
    const all = this.messages;
    let from = Math.max(0, all.length - pageSize);
    if (at.before !== undefined) from = Math.max(0, at.before - 1 - pageSize);
    if (at.after !== undefined) from = at.after;
    if (at.around !== undefined) from = Math.max(0, at.around - pageSize / 2);
    const to = at.before === undefined ? from + pageSize : at.before - 1;
    return { messages: all.slice(from, to), older: from > 0, newer: to < all.length };
  }

  async message(seq: number): Promise<Message> {
    await this.reach();
    return this.one(seq);
  }

  async send(message: NewMessage): Promise<Stored> {
    await this.reach();
    const key = message.client_key ?? '';
    const known = this.keys.get(key);
    if (known) return { ...known, duplicate: true };
    const { seq, id, created_at } = this.write('me', message.text ?? '', { sent_at: message.sent_at ?? '', kind: message.kind ?? 'text' });
    const stored: Stored = { conversation_id: 'conv', seq, id, created_at };
    this.keys.set(key, stored);
    if (this.deaf) throw new Refused('sending', 'unreachable');
    return stored;
  }

  async edit(seq: number, _revision: number, text: string): Promise<Message> {
    await this.reach();
    this.change(seq, { text, edited_at: '2026-11-21T09:00:00Z' });
    return this.one(seq);
  }

  async remove(seq: number): Promise<void> {
    await this.reach();
    const bare = { ...this.one(seq) };
    delete bare.text;
    this.messages[seq - 1] = bare;
    this.change(seq, { deleted_at: '2026-11-21T09:00:00Z' }, 'message.deleted');
  }

  async mark(marks: Marks): Promise<Marks> {
    await this.reach();
    this.marked.push(marks);
    return marks;
  }

  async typing(on: boolean): Promise<void> {
    await this.reach();
    this.typed.push(on);
  }

  async events(after: number): ReturnType<ThreadServer['events']> {
    await this.reach();
    if (this.absent && this.opens) throw new Refused('reading', 'gone');
    const items = this.log.slice(after, after + 200).map(({ type, cpos = 0, data }) => {
      const { seq } = data as { seq?: number };
      return { v: 1, type, conv: 'conv', cpos, at: '2026-11-21T08:00:00Z', data: seq ? { seq } : data };
    });
    return { items, last_cpos: this.log.length };
  }

  search = never;
  beginUpload = never;
  upload = never;
  appendUpload = never;
  finishUpload = never;
  cancelUpload = never;
  thumbnail = never;
  file = never;
}

/** A connection that the test speaks on. */
export class FakeLine implements Line {
  starts = 0;
  stopped = false;
  forgotten = 0;

  start(): void {
    this.starts++;
  }
  stop(): void {
    this.stopped = true;
  }
  hurry(): void {
    this.starts++;
  }
  forget(): void {
    this.forgotten++;
  }
}

export function threadOn(server: FakeServer, options: Partial<ThreadOptions> = {}, tab = keep(), local = keep()) {
  const line = new FakeLine();
  let hearer: Hearer | undefined;
  let keys = 0;
  const page = Math.random();
  const thread = new Thread({
    api: server,
    drafts: new Drafts('conv', 'me', local, tab),
    identity: 'me',
    connect: (to) => {
      hearer = to;
      return line;
    },
    newKey: () => `key-${page}-${++keys}`,
    ...options,
  });
  const hear = (...events: (Envelope | undefined)[]): void => {
    for (const event of events) if (event) hearer?.hear(event);
  };
  return { thread, line, hear, up: () => hearer?.up(), down: () => hearer?.down('unreachable') };
}
