import type { Trouble } from '../client';
import { troubleOf } from '../client';

/** What the server says happened, as on all its realtime transports. */
export interface Envelope {
  type: string;
  /** The conversation, and the position in its log; what is only of the moment has none. */
  conv?: string;
  cpos?: number;
  /** Where to go on after this one. */
  cursor?: string;
  /** When it happened, by the server's clock. */
  at?: string;
  actor?: string;
  data?: unknown;
}

/** The part of `WebSocket` that is used. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(text: string): void;
  close(): void;
}

/** Times in milliseconds. */
export interface LiveTiming {
  /** Until the first attempt after a break, and the most between two. */
  first: number;
  most: number;
  /** After so long without a word the connection is taken for dead. */
  silence: number;
  /** How long a connection may take to come up. */
  opening: number;
}

const defaultTiming: LiveTiming = { first: 500, most: 20_000, silence: 50_000, opening: 10_000 };

/** What a `Live` tells. */
export interface Hearer {
  hear(envelope: Envelope): void;
  /** The server heard us and will say everything from here on. */
  up(): void;
  /** There is no connection; another attempt follows. */
  down(trouble: Trouble): void;
}

/** The realtime connection: comes back after every break, where it left off, as fast as is fair to the server. */
export class Live {
  private socket: Socket | undefined;
  private cursor = '';
  private attempt = 0;
  /** How many milliseconds the server asks to stay away. */
  private away = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  /** Counts connections, so that what an old one still says is not heard. */
  private turn = 0;

  constructor(
    private readonly open: () => Promise<Socket>,
    private readonly hearer: Hearer,
    private readonly timing: LiveTiming = defaultTiming,
    private readonly random: () => number = Math.random,
  ) {}

  start(): void {
    void this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.drop();
  }

  /** Tries at once, when there is reason to hope: the network or the person came back. */
  hurry(): void {
    if (this.stopped || this.socket || this.timer === undefined || this.away > 0) return;
    clearTimeout(this.timer);
    void this.connect();
  }

  /** Forgets where it was: everything is read anew. */
  forget(): void {
    this.cursor = '';
  }

  private async connect(): Promise<void> {
    this.timer = undefined;
    this.away = 0;
    const turn = ++this.turn;
    let socket: Socket;
    try {
      socket = await this.open();
    } catch (error) {
      if (turn === this.turn) this.broken(troubleOf(error));
      return;
    }
    if (this.stopped || turn !== this.turn) {
      socket.close();
      return;
    }
    this.socket = socket;
    this.expect(this.timing.opening);
    socket.onopen = () => socket.send(JSON.stringify({ type: 'hello', ...(this.cursor ? { resume: this.cursor } : {}) }));
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (turn === this.turn && typeof data === 'string') this.heard(socket, data);
    };
    socket.onclose = () => {
      if (turn === this.turn) this.broken('unreachable');
    };
  }

  private heard(socket: Socket, text: string): void {
    const envelope = parse(text);
    if (!envelope) return;
    this.expect(this.timing.silence);
    const { retry_in: retry } = (envelope.data ?? {}) as { retry_in?: unknown };
    if (typeof retry === 'number' && retry >= 0) this.away = retry;
    if (envelope.type === 'ping') {
      socket.send('{"type":"pong"}');
      return;
    }
    if (envelope.cursor) this.cursor = envelope.cursor;
    if (envelope.type === 'hello') {
      this.attempt = 0;
      this.hearer.up();
      return;
    }
    this.hearer.hear(envelope);
  }

  /** Takes the connection for dead unless something is heard in time. */
  private expect(within: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.broken('unreachable'), within);
  }

  private broken(trouble: Trouble): void {
    this.drop();
    if (this.stopped) return;
    const pause = Math.min(this.timing.most, this.timing.first * 2 ** this.attempt++) * (0.5 + this.random() / 2);
    this.timer = setTimeout(() => void this.connect(), Math.max(pause, this.away));
    this.hearer.down(trouble);
  }

  private drop(): void {
    this.turn++;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.socket?.close();
    this.socket = undefined;
  }
}

function parse(text: string): Envelope | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && typeof (value as Envelope).type === 'string') return value as Envelope;
  } catch {
    // Not from our server.
  }
  return undefined;
}
