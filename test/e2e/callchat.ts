import { ask } from './api.ts';
import { mint } from './fixtures.ts';
import type { Server } from './server.ts';

export interface Kept {
  seq: number;
  sender?: string;
  kind: string;
  text?: string;
  revision: number;
  attachments?: { id: string; name: string; type: string; size: number }[];
}

/** A call with its conversation, in which ann and ben are named, and dora, who stays outside. */
export interface CallChat {
  room: string;
  /** Asks the API in dora's name, or somebody's. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>, identity?: string): Promise<unknown>;
  /** What people wrote in the conversation. */
  kept(): Promise<Kept[]>;
  /** The content of a file, as dora gets it. */
  file(id: string): Promise<number[]>;
}

export async function callChat(server: Server): Promise<CallChat> {
  const desk = mint({ identity: 'desk', room: 'any', video: { roomCreate: true } });
  const made = (await ask(server, desk, 'POST', '/v1/calls', {
    kind: 'conference',
    participants: ['ann', 'ben', 'dora'].map((identity) => ({ identity, role: 'operator' })),
  })) as { call: { id: string; conversation_id: string }; participants: { participant: { identity: string }; token: string }[] };
  const tokens = Object.fromEntries(made.participants.map((p) => [p.participant.identity, p.token]));
  const inName: CallChat['ask'] = (method, path, body, headers, identity = 'dora') =>
    ask(server, tokens[identity] ?? '', method, `/v1/conversations/${made.call.conversation_id}${path}`, body, headers);
  return {
    room: made.call.id,
    ask: inName,
    kept: async () => ((await inName('POST', '/messages/view', { kinds: ['text', 'image', 'file'], limit: 100 })) as { items: Kept[] }).items,
    file: async (id) => {
      const response = await fetch(`${server.url}/v1/attachments/${id}`, { headers: { Authorization: `Bearer ${tokens['dora'] ?? ''}` } });
      if (!response.ok) throw new Error(`attachment ${id}: ${response.status}`);
      return [...new Uint8Array(await response.arrayBuffer())];
    },
  };
}
