/** Why a call is over or did not begin, in the terms the reader is told about it. */
export type EndingKind =
  | 'left'
  | 'incomplete'
  | 'expired'
  | 'refused'
  | 'full'
  | 'duplicate'
  | 'removed'
  | 'closed'
  | 'shutdown'
  | 'unreachable'
  | 'lost'
  | 'failed';

/** Whether the same link can be tried again. */
export function canRejoin(kind: EndingKind): boolean {
  return kind !== 'incomplete' && kind !== 'expired' && kind !== 'refused' && kind !== 'removed';
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

/** The end of a call that never began. `expired` tells that the token's time is over by this device's clock. */
export function endingOfFailure(error: unknown, expired: boolean): EndingKind {
  const failure = (typeof error === 'object' && error !== null ? error : {}) as ConnectFailure;
  const words = typeof failure.message === 'string' ? failure.message : '';
  if (/\bfull\b|max(imum)? participants|too many participants/i.test(words)) return 'full';
  switch (failure.reason) {
    case notAllowed:
      return expired || /expired/i.test(words) ? 'expired' : 'refused';
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
