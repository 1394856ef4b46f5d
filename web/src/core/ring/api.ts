import { Client } from '../client';
import type { Schemas } from '../client';

/** The way into a call. */
export interface Way {
  call: string;
  token: string;
}

/** A call that was asked for from a conversation. */
export interface Begun {
  way: Way;
  /** Who calls; empty: it never rang. */
  caller: string;
  /** How many milliseconds it rings from now on; 0: not any more. */
  rings: number;
}

/** What ringing asks of the server. Every method throws `Refused`. */
export interface RingServer {
  accept(call: string, key: string): Promise<Way>;
  decline(call: string): Promise<void>;
  begin(conversation: string, ring: boolean): Promise<Begun>;
  cancel(way: Way): Promise<void>;
}

/** Calls that ring, over HTTP. */
export class RingApi implements RingServer {
  private readonly client: Client;

  /** `token` returns the newest token. */
  constructor(
    private readonly server: string,
    token: () => string,
  ) {
    this.client = new Client(server, token);
  }

  /** Asked again with the same key, as after a lost answer, it gives the same way in. */
  async accept(call: string, key: string): Promise<Way> {
    const { joining } = await this.client.ask('post', '/v1/calls/{callId}/accept', { path: { callId: call }, header: { 'Idempotency-Key': key } });
    return { call, token: joining.token };
  }

  async decline(call: string): Promise<void> {
    await this.client.ask('post', '/v1/calls/{callId}/decline', { path: { callId: call } });
  }

  /** Calls the members of a conversation, or asks to be let into the call that it has. */
  async begin(conversation: string, ring: boolean): Promise<Begun> {
    const { call, joining } = await this.client.ask('post', '/v1/conversations/{conversationId}/call', { path: { conversationId: conversation }, body: { ring } });
    return { way: { call: call.id, token: joining.token }, caller: call.caller ?? '', rings: ringsFor(call) };
  }

  /** Only who is in a call, or begins it, can take it back: the way in says so. */
  async cancel({ call, token }: Way): Promise<void> {
    await new Client(this.server, () => token).ask('post', '/v1/calls/{callId}/cancel', { path: { callId: call } });
  }
}

/** By the server's clock alone: those of phones differ. */
function ringsFor({ rings_until: until, created_at: made }: Schemas['Call']): number {
  return until ? Math.max(0, Date.parse(until) - Date.parse(made)) : 0;
}
