import type { Schemas } from './client';
import { Client } from './client';

/** Somebody who waits to be let in. */
export interface Waiting {
  identity: string;
  name: string;
}

/** The most that the server lists at once; longer queues are read on as they get shorter. */
const pageSize = 200;

/** One call over HTTP, by the join token of whoever is in it. Every method throws `Refused`. */
export class CallApi {
  private readonly client: Client;

  /** `token` returns the newest token: those of long calls are refreshed on the way. */
  constructor(
    server: string,
    private readonly call: string,
    token: () => string,
    send?: typeof fetch,
  ) {
    this.client = new Client(server, token, send);
  }

  read(): Promise<Pick<Schemas['Call'], 'locked'>> {
    return this.client.ask('get', '/v1/calls/{callId}', { path: this.path });
  }

  /** Who waits, longest first. */
  async waiting(): Promise<Waiting[]> {
    const list = await this.client.ask('get', '/v1/calls/{callId}/participants', { path: this.path, query: { state: 'waiting', limit: pageSize } });
    const queue = [...(list.items ?? [])].sort((a, b) => Date.parse(a.since) - Date.parse(b.since) || 0);
    return queue.map(({ identity, name }) => ({ identity, name: name?.trim() ? name : identity }));
  }

  async admit(identity: string): Promise<void> {
    await this.client.ask('post', '/v1/calls/{callId}/participants/{identity}/admit', { path: this.person(identity) });
  }

  async remove(identity: string, ban: boolean): Promise<void> {
    await this.client.ask('delete', '/v1/calls/{callId}/participants/{identity}', { path: this.person(identity), query: { ban } });
  }

  async mute(identity: string, what: { audio: boolean; video: boolean }): Promise<void> {
    await this.client.ask('post', '/v1/calls/{callId}/participants/{identity}/mute', { path: this.person(identity), body: what });
  }

  /** Lets a viewer of a broadcast speak, or no longer; either lowers the hand. */
  async letSpeak(identity: string, may: boolean): Promise<void> {
    await this.client.ask('put', '/v1/calls/{callId}/participants/{identity}/voice', { path: this.person(identity), body: { may_speak: may } });
  }

  /** Lowers somebody's hand. */
  async lowerHand(identity: string): Promise<void> {
    await this.client.ask('delete', '/v1/calls/{callId}/participants/{identity}/hand', { path: this.person(identity) });
  }

  /** Raises or lowers one's own hand. */
  async raiseHand(raised: boolean): Promise<void> {
    await this.client.ask('put', '/v1/calls/{callId}/hand', { path: this.path, body: { raised } });
  }

  async lock(locked: boolean): Promise<void> {
    await this.client.ask('patch', '/v1/calls/{callId}', { path: this.path, body: { locked } });
  }

  /** Makes a link for guests and returns it. */
  async invite(): Promise<string> {
    return (await this.client.ask('post', '/v1/calls/{callId}/invites', { path: this.path, body: {} })).url;
  }

  /** Ends the call for everybody. */
  async end(): Promise<void> {
    await this.client.ask('post', '/v1/calls/{callId}/end', { path: this.path, body: {} });
  }

  private get path(): { callId: string } {
    return { callId: this.call };
  }

  private person(identity: string): { callId: string; identity: string } {
    return { callId: this.call, identity };
  }
}
