import type { Message, Page } from './api';

/** The messages that are shown: a run of numbers without holes, which may end before the newest. */
export class Window {
  /** There are more before, or after, those that are shown. */
  older = false;
  newer = false;
  /** Number of the newest message there is, shown or not. */
  newest = 0;
  /** Of the first and the last that are shown. Without any, the last is the newest of those that may not be seen. */
  from = 1;
  to = 0;

  private readonly bySeq = new Map<number, Message>();
  private sorted: readonly Message[] | undefined;

  /** In order. */
  get messages(): readonly Message[] {
    return (this.sorted ??= [...this.bySeq.values()].sort((a, b) => a.seq - b.seq));
  }

  get(seq: number): Message | undefined {
    return this.bySeq.get(seq);
  }

  /** Shows other messages; `newest` is the number of the newest there is. */
  replace(page: Page, newest: number): void {
    this.bySeq.clear();
    this.sorted = undefined;
    this.newest = newest;
    this.to = newest;
    this.from = newest + 1;
    this.older = this.newer = false;
    const [first] = page.messages;
    if (!first) return;
    this.from = first.seq;
    this.to = first.seq - 1;
    this.older = page.older;
    this.append(page);
  }

  /** Adds what comes before. */
  prepend(page: Page): void {
    this.older = page.older;
    for (const message of page.messages) {
      this.from = Math.min(this.from, message.seq);
      this.set(message);
    }
  }

  /** Adds what comes after. */
  append(page: Page): void {
    this.newer = page.newer;
    for (const message of page.messages) {
      this.to = Math.max(this.to, message.seq);
      this.newest = Math.max(this.newest, message.seq);
      this.set(message);
    }
  }

  /** Takes one message as it is now. False: those between the last one and it are missing. */
  put(message: Message): boolean {
    const { seq } = message;
    this.newest = Math.max(this.newest, seq);
    if (seq < this.from) return true;
    if (seq <= this.to) {
      this.set(message);
      return true;
    }
    if (this.newer) return true;
    if (seq > this.to + 1) return false;
    this.to = seq;
    this.set(message);
    return true;
  }

  private set(message: Message): void {
    const known = this.bySeq.get(message.seq);
    // News that were overtaken by an answer are older than what is here.
    if (known && (known.revision > message.revision || (known.deleted_at && !message.deleted_at))) return;
    this.bySeq.set(message.seq, message);
    this.sorted = undefined;
  }
}
