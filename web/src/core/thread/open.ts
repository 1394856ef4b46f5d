import { newId } from '../chat';
import { Client } from '../client';
import { ThreadApi } from './api';
import { pageDrafts } from './drafts';
import { Live } from './live';
import type { Socket } from './live';
import { Thread } from './thread';
import type { ThreadOptions } from './thread';

/** Which conversation, of which server, for the holder of a token. */
export interface Opening extends Pick<ThreadOptions, 'identity' | 'patience' | 'asks' | 'calls'> {
  server: string;
  conversation: string;
  /** Returns the newest token. */
  token: () => string;
}

/** Opens a conversation. */
export function openThread({ server, conversation, token, ...options }: Opening): Thread {
  const client = new Client(server, token);
  const connect = async (): Promise<Socket> => {
    // A browser sends no token with a WebSocket: a ticket for this one connection stands for it.
    const { ticket } = await client.ask('post', '/v1/rt/ticket', {});
    const address = new URL('/v1/rt', server.replace(/^ws/, 'http'));
    address.protocol = address.protocol.replace('http', 'ws');
    address.searchParams.set('access_token', ticket);
    return new WebSocket(address, 'careline.v1');
  };
  return new Thread({
    ...options,
    api: new ThreadApi(client, conversation),
    drafts: pageDrafts(conversation, options.identity),
    connect: (hearer) => new Live(connect, hearer),
    newKey: newId,
  });
}
