/** Why a call is over or did not begin, in the terms the reader is told about it. */
export type EndingKind =
  | 'left'
  | 'incomplete'
  | 'expired'
  | 'refused'
  | 'full'
  | 'duplicate'
  | 'removed'
  | 'banned'
  | 'ended'
  | 'locked'
  | 'waiting'
  | 'third'
  | 'closed'
  | 'shutdown'
  | 'unreachable'
  | 'lost'
  | 'failed';

/** Whether the same link can be tried again. */
export function canRejoin(kind: EndingKind): boolean {
  return !hopeless.has(kind);
}

const hopeless = new Set<EndingKind>(['incomplete', 'expired', 'refused', 'removed', 'banned', 'ended', 'third']);

// The server's sentences about a call's rules; they come with the status 403, which says only that there is one.
const refusals: readonly [RegExp, EndingKind][] = [
  [/call has ended/i, 'ended'],
  [/may not join this call/i, 'banned'],
  [/call is locked/i, 'locked'],
  [/host has to let you in/i, 'waiting'],
  [/between two other people/i, 'third'],
];

/** The rule of the call that a server's refusal is about; undefined when it is about something else. */
export function refusalOf(words: string): EndingKind | undefined {
  return refusals.find(([pattern]) => pattern.test(words))?.[1];
}

// livekit.DisconnectReason and livekit-client's ConnectionErrorReason by number: the library itself loads later.
const byReason: Partial<Record<number, EndingKind>> = {
  1: 'left',
  2: 'duplicate',
  3: 'shutdown',
  4: 'removed',
  5: 'closed',
  7: 'failed',
  10: 'closed',
  14: 'lost',
};

/** The end of a call that had begun. `byUs` tells that this page asked for it. */
export function endingOfDisconnect(reason: number | undefined, byUs: boolean): EndingKind {
  if (byUs) return 'left';
  return (reason !== undefined ? byReason[reason] : undefined) ?? 'lost';
}

interface ConnectFailure {
  message?: unknown;
  status?: unknown;
  reason?: unknown;
  context?: unknown;
}

const notAllowed = 0;
const serverUnreachable = 1;
const cancelled = 3;
const leaveRequest = 4;
const timeout = 5;
const webSocket = 6;

/** What a server says about a join that it did not accept. */
export interface Answer {
  status: number;
  text: string;
}

/**
 * Asks the server about a join that failed: browsers hide the answer to a refused WebSocket, and livekit-client passes
 * on only those that are about the token. Undefined when there is no server to ask.
 */
export async function askWhy(serverUrl: string, token: string, send: typeof fetch = fetch): Promise<Answer | undefined> {
  try {
    const url = new URL('/rtc/validate', serverUrl.replace(/^ws/, 'http'));
    const response = await send(url, { headers: { Authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(5000) });
    return { status: response.status, text: await response.text() };
  } catch {
    return undefined;
  }
}

/**
 * The end of a call that never began. `expired` tells that the token's time is over by this device's clock, `ask` is
 * called where the error alone does not say enough.
 */
export async function endingOfFailure(
  error: unknown,
  expired: boolean,
  ask: () => Promise<Answer | undefined>,
): Promise<EndingKind> {
  const kind = kindOf(error, expired);
  if (kind !== 'unreachable' && kind !== 'failed') return kind;
  const answer = await ask();
  if (!answer) return 'unreachable';
  if (answer.status === 503) return fullRoom.test(answer.text) ? 'full' : 'shutdown';
  if (answer.status === 403) return refusalOf(answer.text) ?? (expired ? 'expired' : 'refused');
  if (answer.status === 401) return expired ? 'expired' : 'refused';
  return kind;
}

const fullRoom = /\bfull\b|max(imum)? participants|too many participants/i;

function kindOf(error: unknown, expired: boolean): EndingKind {
  const failure = (typeof error === 'object' && error !== null ? error : {}) as ConnectFailure;
  const words = typeof failure.message === 'string' ? failure.message : '';
  if (fullRoom.test(words)) return 'full';
  switch (failure.reason) {
    case notAllowed:
      return refusalOf(words) ?? (expired || /expired/i.test(words) ? 'expired' : 'refused');
    case serverUnreachable:
      return failure.status === 503 ? 'shutdown' : 'unreachable';
    case cancelled:
      return 'left';
    case leaveRequest:
      return endingOfDisconnect(typeof failure.context === 'number' ? failure.context : undefined, false);
    case timeout:
    case webSocket:
      return 'unreachable';
    default:
      return error instanceof TypeError ? 'unreachable' : 'failed';
  }
}
