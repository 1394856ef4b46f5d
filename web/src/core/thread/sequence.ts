import type { Schemas } from '../client';
import { troubleOf } from '../client';
import type { Envelope } from './live';

/** Of so many events missed at once the rest is not read one by one: the conversation is read anew. */
const mostMissed = 1000;

/** What happened, for whom it is put in order. */
export interface Follower {
  /** Reads the log after a position. */
  events(after: number): Promise<Schemas['EventList']>;
  /** Takes the next event. */
  happened(event: Envelope): void;
  /** Reads messages of which something happened. */
  follow(touched: ReadonlySet<number>): Promise<void>;
  /** Reads everything anew. */
  reload(): Promise<void>;
  /** The conversation is not there any more. */
  gone(): void;
}

/** The log of a conversation in its order: what is told twice is dropped, what is missing is read. */
export class Sequence {
  /** Of the newest event that was taken. */
  position = 0;
  private reading: Promise<void> | undefined;
  private again = false;
  private stopped = false;

  constructor(private readonly follower: Follower) {}

  /** Takes an event that has a position. */
  hear(event: Envelope, at: number): void {
    if (at === this.position + 1) {
      this.position = at;
      this.follower.happened(event);
    } else if (at > this.position) {
      void this.catchUp();
    }
  }

  /** Reads what is missing between the last known position and the end of the log. */
  catchUp(): Promise<void> {
    this.again = true;
    return (this.reading ??= this.read().finally(() => {
      this.reading = undefined;
      // It was asked for between the last look and now.
      if (this.again && !this.stopped) void this.catchUp();
    }));
  }

  stop(): void {
    this.stopped = true;
  }

  private async read(): Promise<void> {
    try {
      while (this.again && !this.stopped) {
        this.again = false;
        await this.readMissing();
      }
    } catch (error) {
      if (troubleOf(error) === 'gone') this.follower.gone();
      // Anything else passes: the next connection, or the next event, leads here again.
    }
  }

  private async readMissing(): Promise<void> {
    for (let missed = 0; !this.stopped; ) {
      const { items, last_cpos, reset } = await this.follower.events(this.position);
      const events = items ?? [];
      missed += events.length;
      if (reset || missed > mostMissed) {
        await this.follower.reload();
        return;
      }
      const touched = new Set<number>();
      for (const event of events) {
        const seq = messageNumber(event.data);
        if (seq) touched.add(seq);
        else this.follower.happened(event);
      }
      await this.follower.follow(touched);
      this.position = Math.max(this.position, events.at(-1)?.cpos ?? last_cpos);
      if (this.position >= last_cpos) return;
    }
  }
}

/** The number of the message that an event names; 0: it names none. */
export function messageNumber(data: unknown): number {
  const { seq } = (data ?? {}) as { seq?: unknown };
  return typeof seq === 'number' ? seq : 0;
}
