import type { Marks, Member, Message } from './api';

/** How far an own message got: with how many of how many others. */
export interface Progress {
  recipients: number;
  delivered: number;
  read: number;
}

/** How far the others got. */
export class Receipts {
  private members: readonly Member[] = [];
  private readonly marks = new Map<string, Marks>();

  /** Learns who is there, with their marks at that time. */
  learn(members: readonly Member[]): void {
    this.members = members;
    for (const { user_id, delivered_seq = 0, read_seq = 0 } of members) this.raise(user_id, { delivered_seq, read_seq });
  }

  /** Hears of somebody's marks, which never go back. */
  raise(user: string, { delivered_seq, read_seq }: Marks): void {
    const known = this.marks.get(user);
    this.marks.set(user, {
      delivered_seq: Math.max(known?.delivered_seq ?? 0, delivered_seq),
      read_seq: Math.max(known?.read_seq ?? 0, read_seq),
    });
  }

  /** How far a message got. Where the server counts, what it says is the least. */
  of(message: Message): Progress {
    const { recipients, delivered, read } = message.participantMessage;
    const others = this.members.filter((m) => m.state === 'active' && m.user_id !== message.sender);
    const got = (mark: keyof Marks): number => others.filter((m) => (this.marks.get(m.user_id)?.[mark] ?? 0) >= message.seq).length;
    const most = Math.max(recipients, others.length);
    return { recipients: most, delivered: Math.min(most, Math.max(delivered, got('delivered_seq'))), read: Math.min(most, Math.max(read, got('read_seq'))) };
  }
}

/** One's own marks, which are told to the server at most once in a while. */
export class OwnMarks {
  delivered = 0;
  read = 0;
  private told: Marks = { delivered_seq: 0, read_seq: 0 };
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly send: (marks: Marks) => Promise<Marks>,
    private readonly every = 1000,
  ) {}

  /** What the server knows already. */
  begin({ delivered_seq, read_seq }: Marks): void {
    this.told = { delivered_seq: Math.max(this.told.delivered_seq, delivered_seq), read_seq: Math.max(this.told.read_seq, read_seq) };
    this.delivered = Math.max(this.delivered, delivered_seq);
    this.read = Math.max(this.read, read_seq);
    this.arm();
  }

  raise(marks: { delivered?: number; read?: number }): void {
    this.read = Math.max(this.read, marks.read ?? 0);
    this.delivered = Math.max(this.delivered, marks.delivered ?? 0, this.read);
    this.arm();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private arm(): void {
    if (this.timer !== undefined || !this.untold) return;
    this.timer = setTimeout(() => void this.tell(), this.every);
  }

  private get untold(): boolean {
    return this.delivered > this.told.delivered_seq || this.read > this.told.read_seq;
  }

  private async tell(): Promise<void> {
    try {
      this.told = await this.send({ delivered_seq: this.delivered, read_seq: this.read });
      this.timer = undefined;
      this.arm();
    } catch {
      // The next message, or the next connection, tells it again.
      this.timer = undefined;
    }
  }
}
