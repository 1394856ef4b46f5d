import { describe, expect, it } from 'vitest';
import type { EndingKind } from '../src/core/ending';
import { canRejoin, endingOfDisconnect, endingOfFailure } from '../src/core/ending';
import { ConnectionError, DisconnectReason } from 'livekit-client';

describe('endingOfDisconnect', () => {
  // The library's own names check the numbers that the code has to use.
  it.each<[DisconnectReason | undefined, EndingKind]>([
    [DisconnectReason.CLIENT_INITIATED, 'left'],
    [DisconnectReason.DUPLICATE_IDENTITY, 'duplicate'],
    [DisconnectReason.SERVER_SHUTDOWN, 'shutdown'],
    [DisconnectReason.PARTICIPANT_REMOVED, 'removed'],
    [DisconnectReason.ROOM_DELETED, 'closed'],
    [DisconnectReason.ROOM_CLOSED, 'closed'],
    [DisconnectReason.JOIN_FAILURE, 'failed'],
    [DisconnectReason.CONNECTION_TIMEOUT, 'lost'],
    [DisconnectReason.STATE_MISMATCH, 'lost'],
    [undefined, 'lost'],
  ])('reason %s is %s', (reason, kind) => {
    expect(endingOfDisconnect(reason, false)).toBe(kind);
    expect(endingOfDisconnect(reason, true)).toBe('left');
  });
});

describe('endingOfFailure', () => {
  it.each<[string, unknown, boolean, EndingKind]>([
    ['an expired token by the clock', ConnectionError.notAllowed('unauthorized', 401), true, 'expired'],
    ['an expired token by the words', ConnectionError.notAllowed('the token has expired', 401), false, 'expired'],
    ['a bad token', ConnectionError.notAllowed('invalid token', 401), false, 'refused'],
    ['a full room', ConnectionError.notAllowed('the room is full', 403), false, 'full'],
    ['a full room as a server error', ConnectionError.serverUnreachable('room is full', 503), false, 'full'],
    ['a server that stops', ConnectionError.serverUnreachable('stopping', 503), false, 'shutdown'],
    ['no server', ConnectionError.serverUnreachable('no route'), false, 'unreachable'],
    ['a time-out', ConnectionError.timeout('too slow'), false, 'unreachable'],
    ['a socket error', ConnectionError.websocket('closed'), false, 'unreachable'],
    ['a cancelled join', ConnectionError.cancelled('left'), false, 'left'],
    ['a leave while joining', ConnectionError.leaveRequest('leave', DisconnectReason.DUPLICATE_IDENTITY), false, 'duplicate'],
    ['an internal error', ConnectionError.internal('oops'), false, 'failed'],
    ['a library that does not load', new TypeError('Failed to fetch dynamically imported module'), false, 'unreachable'],
    ['nonsense', 'what', false, 'failed'],
    ['nothing', undefined, false, 'failed'],
  ])('%s', (_name, error, expired, kind) => {
    expect(endingOfFailure(error, expired)).toBe(kind);
  });
});

describe('canRejoin', () => {
  it('is offered only where the same link can help', () => {
    const kinds: EndingKind[] = ['left', 'full', 'duplicate', 'closed', 'shutdown', 'unreachable', 'lost', 'failed'];
    expect(kinds.filter(canRejoin)).toEqual(kinds);
    expect((['incomplete', 'expired', 'refused', 'removed'] as const).filter(canRejoin)).toEqual([]);
  });
});
