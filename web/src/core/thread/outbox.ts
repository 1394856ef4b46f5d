import type { Trouble } from '../client';
import { Refused } from '../client';
import type { NewMessage, Stored } from './api';
import type { Drafts, Unsent } from './drafts';

/** A message on its way to the server. */
export interface Outgoing extends Unsent {
  state: 'sending' | 'failed';
  /** Why it failed, and the problem's code where the server named one. */
  trouble?: Trouble | undefined;
  code?: string | undefined;
}

/** Attempts while the server is busy; in milliseconds, how long until the first one again. */
const attempts = 5;
const firstPause = 1000;
/** What was lost is tried again after so many milliseconds, later each time up to the second number. */
const firstProbe = 3000;
const lastProbe = 30_000;

/**
 * Sends messages one after the other, so that they are stored in the order in which they were written. Each carries a
 * key: sent again, also after a reload, it is stored once.
 */
export class Outbox {
  items: readonly Outgoing[];
  private running: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private probes = 0;
  private stopped = false;

  /** `stored` hears of each message that the server has, `changed` of everything else. */
  constructor(
    private readonly send: (message: NewMessage) => Promise<Stored>,
    private readonly drafts: Drafts,
    private readonly stored: (message: Outgoing, at: Stored) => void,
    private readonly changed: () => void,
    private readonly pause: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  ) {
    // What a page took with it may have been stored or not: the key tells, once there is a connection.
    this.items = drafts.unsent.map((message) => ({ ...message, state: 'failed', trouble: 'unreachable' }));
  }

  add(message: Unsent): void {
    this.update([...this.items, { ...message, state: 'sending' }]);
    this.run();
  }

  retry(key: string): void {
    this.set(key, { state: 'sending', trouble: undefined, code: undefined });
    this.run();
  }

  /** Tries again what failed for want of a connection. */
  retryLost(): void {
    this.probes = 0;
    for (const { key } of this.items.filter(isLost)) this.set(key, { state: 'sending', trouble: undefined });
    this.run();
  }

  /** Forgets a message that failed. */
  discard(key: string): void {
    this.update(this.items.filter((m) => m.key !== key || m.state === 'sending'));
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private run(): void {
    this.running ??= this.work().finally(() => this.rest());
  }

  private rest(): void {
    this.running = undefined;
    if (this.stopped) return;
    if (this.next) this.run();
    else if (this.items.some(isLost)) this.arm();
  }

  /** A connection that came back is not always told: now and then the oldest message that was lost finds out. */
  private arm(): void {
    clearTimeout(this.timer);
    const pause = Math.min(lastProbe, firstProbe * 2 ** this.probes++);
    this.timer = setTimeout(() => {
      const lost = this.items.find(isLost);
      if (lost) this.running ??= this.deliver(lost).finally(() => this.probed(lost.key));
    }, pause);
  }

  private probed(key: string): void {
    const arrived = !this.items.some((m) => m.key === key);
    if (arrived) this.retryLost();
    this.rest();
  }

  private get next(): Outgoing | undefined {
    return this.items.find((m) => m.state === 'sending');
  }

  private async work(): Promise<void> {
    for (let message = this.next; message && !this.stopped; message = this.next) await this.deliver(message);
  }

  private async deliver(message: Outgoing): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const at = await this.send(messageOf(message));
        this.update(this.items.filter((m) => m.key !== message.key));
        this.stored(message, at);
        return;
      } catch (error) {
        const refused = error instanceof Refused ? error : new Refused('sending a message', 'failed', { cause: error });
        if (refused.trouble === 'busy' && attempt < attempts && !this.stopped) {
          await this.pause(refused.wait || firstPause * 2 ** (attempt - 1));
          continue;
        }
        this.set(message.key, { state: 'failed', trouble: refused.trouble, code: refused.code });
        return;
      }
    }
  }

  private set(key: string, change: Pick<Outgoing, 'state' | 'trouble' | 'code'>): void {
    this.update(this.items.map((m) => (m.key === key ? { ...m, ...change } : m)));
  }

  private update(items: readonly Outgoing[]): void {
    this.items = items;
    this.drafts.unsent = items.map(({ key, kind, text, replyTo, attachments, location, at }) => ({
      key,
      kind,
      text,
      at,
      ...(replyTo ? { replyTo } : {}),
      ...(attachments ? { attachments } : {}),
      ...(location ? { location } : {}),
    }));
    this.changed();
  }
}

function isLost({ state, trouble }: Outgoing): boolean {
  return state === 'failed' && (trouble === 'unreachable' || trouble === 'busy');
}

function messageOf(message: Unsent): NewMessage {
  const { key, kind, text, replyTo, attachments, location, at } = message;
  return {
    client_key: key,
    kind,
    sent_at: new Date(at).toISOString(),
    ...(text ? { text } : {}),
    ...(replyTo ? { reply_to_seq: replyTo } : {}),
    ...(attachments ? { attachments: attachments.map((a) => a.id) } : {}),
    ...(location ? { location } : {}),
  };
}
