import { newId } from '../chat';
import { Client } from '../client';
import { ThreadApi } from './api';
import { pageDrafts } from './drafts';
import { Live } from './live';
import type { Socket } from './live';
import { Thread } from './thread';

/** Opens a conversation of a server for the holder of a token; `token` returns the newest. */
export function openThread(server: string, conversation: string, identity: string, token: () => string, patience = 0): Thread {
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
    api: new ThreadApi(client, conversation),
    drafts: pageDrafts(conversation, identity),
    identity,
    connect: (hearer) => new Live(connect, hearer),
    newKey: newId,
    patience,
  });
}
