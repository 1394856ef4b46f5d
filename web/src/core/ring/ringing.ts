import type { Trouble } from '../client';
import { Refused, troubleOf } from '../client';
import { Observable } from '../observable';
import type { Envelope } from '../thread/live';
import type { RingServer, Way } from './api';
import { callEvent } from './event';
import type { CallEvent } from './event';

/** A call that rings for the reader. */
export interface Ring {
  call: string;
  caller: string;
  state: 'ringing' | 'accepting' | 'declining';
}

/** What became of a call: accepted and declined on another device; late: somebody asked to answer what did not ring any more. */
export interface Past {
  how: 'accepted' | 'declined' | 'cancelled' | 'missed' | 'late' | 'failed';
  caller: string;
  /** Why it failed; then it still rings. */
  trouble?: Trouble;
}

/** The server ends the ringing itself; who is cut off from it stops so many milliseconds later. */
const grace = 5000;
/** So many calls that are over are remembered: news may come twice. */
const mostOver = 100;

const answers: Partial<Record<string, Past['how']>> = {
  'call.accepted': 'accepted',
  'call.declined': 'declined',
  'call.cancelled': 'cancelled',
  'call.missed': 'missed',
};

export interface RingingOptions {
  api: RingServer;
  /** For whom it rings. */
  identity: string;
  /** Whether the reader's token answers a call. */
  mayAnswer: (call: string) => boolean;
  /** A name that nobody else gives. */
  newKey: () => string;
  /** Goes into a call that was accepted here. */
  enter: (way: Way) => void;
}

/** The calls that ring for somebody, on this one of the devices. Hearing the same news twice changes nothing. */
export class Ringing extends Observable {
  /** Longest ringing first. */
  rings: readonly Ring[] = [];
  past: Past | undefined;

  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** By call: an answer that is sent again is the same answer. */
  private readonly keys = new Map<string, string>();
  private readonly over = new Set<string>();

  constructor(private readonly options: RingingOptions) {
    super();
  }

  stop(): void {
    for (const ring of this.rings) this.forget(ring.call);
  }

  hear(envelope: Envelope): void {
    const event = callEvent(envelope);
    if (!event) return;
    const { identity } = this.options;
    const how = answers[event.type];
    if (event.type === 'call.ringing' && event.people.includes(identity)) this.begin(event);
    else if (event.type === 'call.ended') this.settle(event.call, 'cancelled');
    else if (how && event.who.includes(identity)) this.settle(event.call, how);
  }

  async accept(call: string): Promise<void> {
    const { api, newKey, enter } = this.options;
    const key = this.keys.get(call) ?? newKey();
    this.keys.set(call, key);
    await this.answer(call, 'accepting', async () => {
      const way = await api.accept(call, key);
      this.forget(call);
      enter(way);
    });
  }

  async decline(call: string): Promise<void> {
    await this.answer(call, 'declining', async () => {
      await this.options.api.decline(call);
      this.forget(call);
    });
  }

  /** Puts away what is said about the last call. */
  dismiss(): void {
    this.past = undefined;
    this.changed();
  }

  private begin({ call, caller, rings }: CallEvent): void {
    if (this.over.has(call) || this.find(call) || !this.options.mayAnswer(call)) return;
    this.timers.set(
      call,
      setTimeout(() => this.settle(call, 'missed'), rings + grace),
    );
    this.past = undefined;
    this.rings = [...this.rings, { call, caller, state: 'ringing' }];
    this.changed();
  }

  private async answer(call: string, state: 'accepting' | 'declining', ask: () => Promise<void>): Promise<void> {
    const ring = this.find(call);
    if (ring?.state !== 'ringing') return;
    this.past = undefined;
    this.set(call, state);
    try {
      await ask();
    } catch (error) {
      this.failed(ring, error);
    }
  }

  private failed({ call, caller }: Ring, error: unknown): void {
    const code = error instanceof Refused ? error.code : '';
    const trouble = troubleOf(error);
    if (code === 'already-taken' || code === 'not-ringing' || trouble === 'gone') {
      this.forget(call);
      this.past = { how: code === 'already-taken' ? 'accepted' : 'late', caller };
    } else {
      this.set(call, 'ringing');
      this.past = { how: 'failed', caller, trouble };
    }
    this.changed();
  }

  /** It does not ring any more, for a reason that this page did not give. */
  private settle(call: string, how: Past['how']): void {
    const ring = this.find(call);
    // An answer that is on its way here may be the one that is told: its request says whether it was.
    if (ring && ring.state !== 'ringing' && (how === 'accepted' || how === 'declined')) return;
    this.forget(call);
    if (ring) this.past = { how, caller: ring.caller };
    this.changed();
  }

  private forget(call: string): void {
    clearTimeout(this.timers.get(call));
    this.timers.delete(call);
    this.keys.delete(call);
    this.over.add(call);
    for (const oldest of this.over) {
      if (this.over.size <= mostOver) break;
      this.over.delete(oldest);
    }
    this.rings = this.rings.filter((r) => r.call !== call);
    this.changed();
  }

  private find(call: string): Ring | undefined {
    return this.rings.find((r) => r.call === call);
  }

  private set(call: string, state: Ring['state']): void {
    this.rings = this.rings.map((r) => (r.call === call ? { ...r, state } : r));
    this.changed();
  }
}
