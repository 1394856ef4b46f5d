/** How long somebody is seen writing who does not say so again, and how often one says it oneself; in milliseconds. */
const life = 6000;
const every = 3000;

/** Who writes now, and telling the others that one does oneself. */
export class Typing {
  private readonly heardOf = new Map<string, ReturnType<typeof setTimeout>>();
  private toldAt = 0;

  constructor(
    private readonly tell: (on: boolean) => Promise<void>,
    private readonly changed: () => void,
  ) {}

  /** The identities of those who write, who began first coming first. */
  get people(): readonly string[] {
    return [...this.heardOf.keys()];
  }

  /** Something was typed here. */
  typed(): void {
    if (Date.now() - this.toldAt < every) return;
    this.toldAt = Date.now();
    this.tell(true).catch(() => undefined); // Nobody misses it.
  }

  /** What was typed is sent, or gone. */
  ended(): void {
    if (this.toldAt === 0) return;
    this.toldAt = 0;
    this.tell(false).catch(() => undefined);
  }

  heard(who: string, on: boolean): void {
    clearTimeout(this.heardOf.get(who));
    if (on) {
      this.heardOf.set(
        who,
        setTimeout(() => this.heard(who, false), life),
      );
    } else if (!this.heardOf.delete(who)) {
      return;
    }
    this.changed();
  }

  stop(): void {
    for (const timer of this.heardOf.values()) clearTimeout(timer);
    this.heardOf.clear();
  }
}
