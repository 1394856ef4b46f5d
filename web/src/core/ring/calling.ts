import type { Trouble } from '../client';
import { troubleOf } from '../client';
import { Observable } from '../observable';
import type { Envelope } from '../thread/live';
import type { Begun, RingServer, Way } from './api';
import { callEvent } from './event';

/** The server ends the ringing itself; who is cut off from it stops so many milliseconds later. */
const grace = 5000;
/** Events that are kept while a call is asked for. */
const mostEarly = 50;

export interface CallingOptions {
  api: RingServer;
  conversation: string;
  /** Who calls. */
  identity: string;
  /** Goes into the call once somebody has accepted it. */
  enter: (way: Way) => void;
}

/** A call that the reader makes from a conversation, until somebody answers. */
export class Calling extends Observable {
  state: 'idle' | 'asking' | 'ringing' | 'cancelling' = 'idle';
  /** Who has declined, while it rings for others. */
  declined: readonly string[] = [];
  /** What became of the last call that nobody accepted. */
  past: 'declined' | 'missed' | 'failed' | undefined;
  /** Why it failed. */
  trouble: Trouble | undefined;

  private way: Way | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** What was told before it was known which call is ours. */
  private early: Envelope[] = [];

  constructor(private readonly options: CallingOptions) {
    super();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** Calls the others, or goes into the call that the conversation has. Who is more than a call can ring for is not rung. */
  async begin(ring: boolean): Promise<void> {
    if (this.state !== 'idle') return;
    const { api, conversation, identity, enter } = this.options;
    this.dismiss();
    this.state = 'asking';
    let begun: Begun;
    try {
      begun = await api.begin(conversation, ring);
    } catch (error) {
      this.early = [];
      this.over('failed', troubleOf(error));
      return;
    }
    const told = this.early.splice(0);
    if (begun.rings === 0 || begun.caller !== identity) {
      this.over();
      enter(begun.way);
      return;
    }
    this.state = 'ringing';
    this.way = begun.way;
    this.timer = setTimeout(() => this.over('missed'), begun.rings + grace);
    this.changed();
    for (const envelope of told) this.hear(envelope);
  }

  /** Takes the call back. */
  async cancel(): Promise<void> {
    const { way } = this;
    if (!way || this.state !== 'ringing') return;
    this.past = undefined;
    this.state = 'cancelling';
    this.changed();
    try {
      await this.options.api.cancel(way);
      this.over();
    } catch (error) {
      // It still rings, or news of what became of it are on their way.
      if (this.way !== way) return;
      this.state = 'ringing';
      this.past = 'failed';
      this.trouble = troubleOf(error);
      this.changed();
    }
  }

  hear(envelope: Envelope): void {
    const event = callEvent(envelope);
    if (!event) return;
    if (this.state === 'asking' && this.early.length < mostEarly) this.early.push(envelope);
    const { way } = this;
    if (!way || event.call !== way.call) return;
    if (event.type === 'call.accepted') {
      this.over();
      this.options.enter(way);
    } else if (event.type === 'call.declined') {
      this.declined = [...new Set([...this.declined, ...event.who])];
      this.changed();
    } else if (event.type === 'call.ended') {
      this.over(event.reason === 'declined' || event.reason === 'missed' ? event.reason : undefined);
    }
  }

  /** Puts away what is said about the last call. */
  dismiss(): void {
    this.past = this.trouble = undefined;
    this.declined = [];
    this.changed();
  }

  private over(past?: Calling['past'], trouble?: Trouble): void {
    clearTimeout(this.timer);
    this.state = 'idle';
    this.way = undefined;
    this.past = past;
    this.trouble = trouble;
    this.changed();
  }
}
