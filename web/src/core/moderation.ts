import type { CallApi, Waiting } from './calls';
import type { Trouble } from './client';
import { troubleOf } from './client';
import { Observable } from './observable';
import type { CallFacts, Role } from './place';

/** What a host or operator can do. */
export type Action =
  | 'mute-microphone'
  | 'mute-camera'
  | 'let-speak'
  | 'silence'
  | 'lower-hand'
  | 'remove'
  | 'ban'
  | 'admit'
  | 'turn-away'
  | 'lock'
  | 'unlock'
  | 'invite'
  | 'end';

/** What was done last, with whose name. */
export interface Done {
  action: Action;
  name: string;
}

/** Whom an action is about. */
export interface Somebody {
  identity: string;
  name: string;
}

const nobody: Somebody = { identity: '', name: '' };

/** What a host or operator sees and does beside taking part: who waits, the lock, links for guests, and what concerns others. */
export class Moderation extends Observable {
  /** Longest first. */
  waiting: readonly Waiting[] = [];
  /** Undefined until the server has said. */
  locked: boolean | undefined;
  /** The newest link for guests. */
  link: string | undefined;
  /** Why the last request failed, until the next one or until it is put away. */
  trouble: Trouble | undefined;
  done: Done | undefined;

  private readonly working = new Set<string>();
  private reading = false;
  private asked = 0;

  constructor(
    private readonly api: CallApi,
    readonly role: Role,
    readonly facts: CallFacts,
  ) {
    super();
  }

  /** Reads the lock and who waits. Asked while it reads, it reads once more. */
  async read(): Promise<void> {
    this.asked++;
    if (this.reading) return;
    this.reading = true;
    try {
      let answered;
      do {
        answered = this.asked;
        const waits = this.facts.kind === 'conference' ? this.api.waiting() : Promise.resolve([]);
        const [state, waiting] = await Promise.all([this.api.read(), waits]);
        this.locked = state.locked;
        this.waiting = waiting;
      } while (answered !== this.asked);
    } catch (error) {
      this.trouble = troubleOf(error);
    } finally {
      this.reading = false;
      this.changed();
    }
  }

  /** Takes those off the list who are in the call by now. */
  arrived(identities: ReadonlySet<string>): void {
    const waiting = this.waiting.filter((guest) => !identities.has(guest.identity));
    if (waiting.length === this.waiting.length) return;
    this.waiting = waiting;
    this.changed();
  }

  /** Whether an action is under way; its button waits. */
  busy(action: Action, identity = ''): boolean {
    return this.working.has(`${action} ${identity}`);
  }

  /** Puts the last problem away. */
  dismiss(): void {
    this.trouble = undefined;
    this.changed();
  }

  muteMicrophone(who: Somebody): Promise<boolean> {
    return this.run('mute-microphone', who, () => this.api.mute(who.identity, { audio: true, video: false }));
  }

  muteCamera(who: Somebody): Promise<boolean> {
    return this.run('mute-camera', who, () => this.api.mute(who.identity, { audio: false, video: true }));
  }

  letSpeak(who: Somebody): Promise<boolean> {
    return this.run('let-speak', who, () => this.api.letSpeak(who.identity, true));
  }

  silence(who: Somebody): Promise<boolean> {
    return this.run('silence', who, () => this.api.letSpeak(who.identity, false));
  }

  lowerHand(who: Somebody): Promise<boolean> {
    return this.run('lower-hand', who, () => this.api.lowerHand(who.identity));
  }

  remove(who: Somebody, ban: boolean): Promise<boolean> {
    return this.run(ban ? 'ban' : 'remove', who, () => this.api.remove(who.identity, ban));
  }

  admit(who: Somebody): Promise<boolean> {
    return this.answer('admit', who, () => this.api.admit(who.identity));
  }

  turnAway(who: Somebody): Promise<boolean> {
    return this.answer('turn-away', who, () => this.api.remove(who.identity, false));
  }

  lock(on: boolean): Promise<boolean> {
    return this.run(on ? 'lock' : 'unlock', nobody, async () => {
      await this.api.lock(on);
      this.locked = on;
    });
  }

  invite(): Promise<boolean> {
    return this.run('invite', nobody, async () => {
      this.link = await this.api.invite();
    });
  }

  end(): Promise<boolean> {
    return this.run('end', nobody, () => this.api.end());
  }

  /** Answers somebody who waits; whatever came of it, the list is read anew. */
  private async answer(action: 'admit' | 'turn-away', who: Somebody, work: () => Promise<void>): Promise<boolean> {
    const done = await this.run(action, who, work);
    if (done) this.waiting = this.waiting.filter((guest) => guest.identity !== who.identity);
    this.changed();
    await this.read();
    return done;
  }

  private async run(action: Action, who: Somebody, work: () => Promise<void>): Promise<boolean> {
    const key = `${action} ${who.identity}`;
    if (this.working.has(key)) return false;
    this.working.add(key);
    this.trouble = this.done = undefined;
    this.changed();
    try {
      await work();
      this.done = { action, name: who.name };
      return true;
    } catch (error) {
      this.trouble = troubleOf(error);
      return false;
    } finally {
      this.working.delete(key);
      this.changed();
    }
  }
}
