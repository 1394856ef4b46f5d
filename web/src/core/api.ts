import type { CallKind } from './place';

/** One person's way into a call, as the development server hands it out; for guests without a name and a token. */
export interface CallLink {
  identity?: string;
  name?: string;
  role?: string;
  token?: string;
  url: string;
  /** What is written in the call, without the call. */
  chat?: string;
}

export interface NewCall {
  room: string;
  links: CallLink[];
}

/** Makes a call on a server that runs in development mode. Throws when it refuses or is out of reach. */
export async function makeCall(kind: CallKind, title: string, waitingRoom: boolean, send: typeof fetch = fetch): Promise<NewCall> {
  const response = await send('/dev/call', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ kind, ...(title ? { title } : {}), ...(waitingRoom ? { waiting_room: true } : {}) }),
  });
  if (!response.ok) throw new Error(`making a call: the server answered ${response.status}`);
  return (await response.json()) as NewCall;
}
