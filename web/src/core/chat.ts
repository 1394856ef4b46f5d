import { Observable } from './observable';

/** The text stream topic on which LiveKit clients chat. */
export const chatTopic = 'lk.chat';
/** Longest message, in Unicode code points. */
export const longestMessage = 8000;

export interface ChatMessage {
  /** The text stream's id: the same for every attempt, so that a repeat is recognised. */
  id: string;
  identity: string;
  name: string;
  own: boolean;
  text: string;
  at: Date;
  state: 'pending' | 'sent' | 'failed';
}

/** How messages leave; a call that is connected offers one. */
export interface ChatTransport {
  send(id: string, text: string): Promise<void>;
}

/** Times in milliseconds; see `ChatLog.restored`. */
export interface ChatTiming {
  attempt: number;
  unsure: number;
  settle: number;
}

const defaultTiming: ChatTiming = { attempt: 15_000, unsure: 4_000, settle: 2_500 };
const keep = 1000;

/** The length of a text in code points, as the limit counts it. */
export function lengthOf(text: string): number {
  return Array.from(text).length;
}

/** A name that nobody else gives. */
export function newId(): string {
  // crypto.randomUUID does not exist in pages without TLS, getRandomValues does.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/**
 * The messages of one call and the outbox of this side.
 *
 * A data channel gives no acknowledgement, and a full reconnect swallows what was "sent" around it. So messages wait
 * while there is no connection, and after a full reconnect those sent shortly before it go out again under their id:
 * a receiver that has one already drops the repeat.
 */
export class ChatLog extends Observable {
  /** In the order of arrival, at most the newest 1000. */
  messages: readonly ChatMessage[] = [];
  unread = 0;

  private transport: ChatTransport | undefined;
  private readonly sentAt = new Map<string, number>();
  private readonly sending = new Set<string>();
  private attending = false;
  private settling: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly timing: ChatTiming = defaultTiming) {
    super();
  }

  /** Tells whether somebody looks at the messages; then none is unread. */
  attend(attending: boolean): void {
    this.attending = attending;
    if (attending && this.unread > 0) {
      this.unread = 0;
      this.changed();
    }
  }

  /** Adds an own message and sends it, now or when there is a connection. Empty text is ignored. */
  send(identity: string, name: string, text: string): void {
    const trimmed = text.trim();
    if (!trimmed || lengthOf(trimmed) > longestMessage) return;
    const message: ChatMessage = { id: newId(), identity, name, own: true, text: trimmed, at: new Date(), state: 'pending' };
    this.add(message);
    void this.attempt(message.id);
  }

  /** Tries a failed message again. */
  retry(id: string): void {
    if (this.find(id)?.state !== 'failed') return;
    this.mark(id, 'pending');
    void this.attempt(id);
  }

  /** Takes a message of somebody else; a second one with the same id changes nothing. */
  receive(message: Pick<ChatMessage, 'id' | 'identity' | 'name' | 'text' | 'at'>): void {
    if (this.find(message.id)) return;
    this.add({ ...message, own: false, state: 'sent' });
    if (!this.attending) {
      this.unread++;
      this.changed();
    }
  }

  /** The connection is there for the first time or after a resume, which loses nothing. */
  connected(transport: ChatTransport): void {
    this.transport = transport;
    this.flush();
  }

  /** The connection is gone; own messages wait. */
  interrupted(): void {
    clearTimeout(this.settling);
    this.transport = undefined;
  }

  /** The connection was built anew: what was sent around the break may be lost, and the first moments lose more. */
  restored(transport: ChatTransport, brokenAt: number): void {
    for (const [id, at] of this.sentAt) {
      if (at >= brokenAt - this.timing.unsure) this.mark(id, 'pending');
    }
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.connected(transport), this.timing.settle);
  }

  /** The call is over: what still waits has failed. */
  ended(): void {
    this.interrupted();
    for (const message of this.messages) {
      if (message.state === 'pending') this.mark(message.id, 'failed');
    }
  }

  private flush(): void {
    for (const message of this.messages) {
      if (message.state === 'pending') void this.attempt(message.id);
    }
  }

  private async attempt(id: string): Promise<void> {
    const transport = this.transport;
    const message = this.find(id);
    if (!transport || !message || this.sending.has(id)) return;
    this.sending.add(id);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('sending a message: no answer in time')), this.timing.attempt);
    });
    try {
      await Promise.race([transport.send(id, message.text), late]);
      this.sentAt.set(id, Date.now());
      // A break during the attempt leaves it unsure: it stays pending and goes out again after the break.
      if (this.transport === transport) this.mark(id, 'sent');
    } catch {
      if (this.transport === transport) this.mark(id, 'failed');
    } finally {
      clearTimeout(timer);
      this.sending.delete(id);
    }
    if (this.transport && this.transport !== transport && this.find(id)?.state === 'pending') await this.attempt(id);
  }

  private find(id: string): ChatMessage | undefined {
    return this.messages.find((m) => m.id === id);
  }

  private add(message: ChatMessage): void {
    this.messages = [...this.messages, message].slice(-keep);
    this.changed();
  }

  private mark(id: string, state: ChatMessage['state']): void {
    this.messages = this.messages.map((m) => (m.id === id ? { ...m, state } : m));
    this.changed();
  }
}
