/** Why the server did not do what was asked, in the terms the reader is told about it. */
export type Trouble = 'expired' | 'forbidden' | 'gone' | 'busy' | 'unreachable' | 'failed';

/** A request that the server refused, or that it did not answer. */
export class Refused extends Error {
  override name = 'Refused';

  constructor(
    what: string,
    readonly trouble: Trouble,
    options?: ErrorOptions,
  ) {
    super(`${what}: ${trouble}`, options);
  }
}

/** What an error means for the reader. */
export function troubleOf(error: unknown): Trouble {
  return error instanceof Refused ? error.trouble : 'failed';
}

/** Somebody who waits to be let in. */
export interface Waiting {
  identity: string;
  name: string;
}

/** What may change of a call while it runs. */
export interface CallState {
  locked: boolean;
}

/** How long an answer may take, in milliseconds. */
const patience = 10_000;
/** The most that the server lists at once; longer queues are read on as they get shorter. */
const pageSize = 200;

const byStatus: Partial<Record<number, Trouble>> = { 401: 'expired', 403: 'forbidden', 404: 'gone', 429: 'busy', 503: 'busy' };

interface Participants {
  items?: { identity: string; name?: string; since?: string }[];
}

/** One call over HTTP, by the join token of whoever is in it. Every method throws `Refused`. */
export class CallApi {
  private readonly base: string;

  /** `token` returns the newest token: those of long calls are refreshed on the way. */
  constructor(
    server: string,
    call: string,
    private readonly token: () => string,
    private readonly send: typeof fetch = (input, init) => fetch(input, init),
  ) {
    this.base = new URL(`/v1/calls/${encodeURIComponent(call)}`, server.replace(/^ws/, 'http')).href;
  }

  async read(): Promise<CallState> {
    const call = (await this.ask('GET', '')) as { locked?: unknown };
    return { locked: call.locked === true };
  }

  /** Who waits, longest first. */
  async waiting(): Promise<Waiting[]> {
    const list = (await this.ask('GET', `/participants?state=waiting&limit=${pageSize}`)) as Participants;
    const queue = (list.items ?? []).sort((a, b) => Date.parse(a.since ?? '') - Date.parse(b.since ?? '') || 0);
    return queue.map(({ identity, name }) => ({ identity, name: name?.trim() ? name : identity }));
  }

  async admit(identity: string): Promise<void> {
    await this.ask('POST', `${person(identity)}/admit`);
  }

  async remove(identity: string, ban: boolean): Promise<void> {
    await this.ask('DELETE', `${person(identity)}${ban ? '?ban=true' : ''}`);
  }

  async mute(identity: string, what: { audio: boolean; video: boolean }): Promise<void> {
    await this.ask('POST', `${person(identity)}/mute`, what);
  }

  /** Lets a viewer of a broadcast speak, or no longer; either lowers the hand. */
  async letSpeak(identity: string, may: boolean): Promise<void> {
    await this.ask('PUT', `${person(identity)}/voice`, { may_speak: may });
  }

  /** Lowers somebody's hand. */
  async lowerHand(identity: string): Promise<void> {
    await this.ask('DELETE', `${person(identity)}/hand`);
  }

  /** Raises or lowers one's own hand. */
  async raiseHand(raised: boolean): Promise<void> {
    await this.ask('PUT', '/hand', { raised });
  }

  async lock(locked: boolean): Promise<void> {
    await this.ask('PATCH', '', { locked });
  }

  /** Makes a link for guests and returns it. */
  async invite(): Promise<string> {
    const { url } = (await this.ask('POST', '/invites', {})) as { url?: unknown };
    if (typeof url !== 'string') throw new Refused('making a link for guests', 'failed');
    return url;
  }

  /** Ends the call for everybody. */
  async end(): Promise<void> {
    await this.ask('POST', '/end', {});
  }

  private async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const what = `${method} of a call${path.replace(/\/participants\/[^/?]+/, '/participants/...')}`;
    let response: Response;
    let text: string;
    try {
      response = await this.send(this.base + path, {
        method,
        headers: { Authorization: `Bearer ${this.token()}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(patience),
      });
      text = await response.text();
    } catch (cause) {
      throw new Refused(what, 'unreachable', { cause });
    }
    if (!response.ok) throw new Refused(what, byStatus[response.status] ?? 'failed');
    if (!text) return {};
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new Refused(what, 'failed', { cause });
    }
  }
}

const person = (identity: string): string => `/participants/${encodeURIComponent(identity)}`;
