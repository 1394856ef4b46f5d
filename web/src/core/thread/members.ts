import type { Member } from './api';

/** How long to wait for more news of people before they are read, in milliseconds. */
const gathering = 300;

/** Who is in a conversation. */
export class Members {
  private byUser = new Map<string, Member>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;

  /** `learned` hears of the people each time they were read. */
  constructor(
    private readonly read: () => Promise<readonly Member[]>,
    private readonly learned: (members: readonly Member[]) => void,
  ) {}

  learn(members: readonly Member[]): void {
    this.byUser = new Map(members.map((m) => [m.user_id, m]));
    this.learned(members);
  }

  has(user: string): boolean {
    return this.byUser.has(user);
  }

  nameOf(user: string): string {
    const name = this.byUser.get(user)?.name?.trim();
    return name ? name : user;
  }

  /** The member with a place, as system messages name it. */
  at(place: string): Member | undefined {
    return [...this.byUser.values()].find((m) => m.id === place);
  }

  /** Reads the people anew, in a moment. */
  ask(): void {
    if (this.stopped) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.read().then(
        (members) => this.learn(members),
        () => undefined, // Who is new is then shown by the identity.
      );
    }, gathering);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}
