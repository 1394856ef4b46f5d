import { describe, expect, it, vi } from 'vitest';
import type { Answer, EndingKind } from '../src/core/ending';
import { askWhy, canRejoin, endingOfDisconnect, endingOfFailure, refusalOf } from '../src/core/ending';
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
    ['a banned guest', ConnectionError.notAllowed('you may not join this call', 403), false, 'banned'],
    ['a locked call', ConnectionError.notAllowed('this call is locked', 403), false, 'locked'],
    ['a refusal about something else', ConnectionError.notAllowed('no permission', 403), false, 'refused'],
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
  ])('%s', async (_name, error, expired, kind) => {
    const answer = kind === 'unreachable' ? undefined : { status: 200, text: 'success' };
    expect(await endingOfFailure(error, expired, () => Promise.resolve(answer))).toBe(kind);
  });

  it.each<[string, Answer | undefined, boolean, EndingKind]>([
    ['no answer', undefined, false, 'unreachable'],
    ['a full room', { status: 503, text: 'room is full' }, false, 'full'],
    ['a server that stops', { status: 503, text: 'server is stopping' }, false, 'shutdown'],
    ['a bad token', { status: 401, text: 'invalid token' }, false, 'refused'],
    ['a third', { status: 403, text: 'this call is between two other people' }, false, 'third'],
    ['another prohibition', { status: 403, text: 'no permission' }, false, 'refused'],
    ['an expired token', { status: 401, text: 'invalid token' }, true, 'expired'],
    ['a server that finds nothing wrong', { status: 200, text: 'success' }, false, 'unreachable'],
    ['a broken server', { status: 500, text: 'internal error' }, false, 'unreachable'],
  ])('asks about a hidden refusal: %s', async (_name, answer, expired, kind) => {
    expect(await endingOfFailure(ConnectionError.websocket('closed'), expired, () => Promise.resolve(answer))).toBe(kind);
  });

  it('does not ask when the error says it all', async () => {
    const ask = vi.fn();
    expect(await endingOfFailure(ConnectionError.notAllowed('no', 401), false, ask)).toBe('refused');
    expect(ask).not.toHaveBeenCalled();
  });
});

describe('refusalOf', () => {
  // What the server says stands in its source: a sentence that changes there has to change here.
  const source = Object.values(import.meta.glob<string>('../../call/tables.go', { query: '?raw', import: 'default', eager: true }))[0] ?? '';
  const said = (name: string): string => new RegExp(`${name}\\s*=\\s*errs\\.New\\(errs\\.Denied, "([^"]+)"`).exec(source)?.[1] ?? '';

  it.each<[string, EndingKind]>([
    ['ErrOver', 'ended'],
    ['ErrBanned', 'banned'],
    ['ErrLocked', 'locked'],
    ['ErrWaiting', 'waiting'],
    ['ErrBetweenTwo', 'third'],
  ])('%s of the server is %s', (name, kind) => {
    expect(said(name)).not.toBe('');
    expect(refusalOf(said(name))).toBe(kind);
  });

  it('knows nothing of other sentences', () => {
    expect(refusalOf('')).toBeUndefined();
    expect(refusalOf('the token does not give this right')).toBeUndefined();
  });
});

describe('askWhy', () => {
  it('asks with the token in a header, never in the address', async () => {
    const send = vi.fn(() => Promise.resolve(new Response('room is full', { status: 503 })));
    expect(await askWhy('wss://call.example', 'abc', send)).toEqual({ status: 503, text: 'room is full' });
    const [url, init] = send.mock.calls[0] as unknown as [URL, RequestInit];
    expect([url.href, init.headers]).toEqual(['https://call.example/rtc/validate', { Authorization: 'Bearer abc' }]);
  });

  it('answers nothing when nobody is there', async () => {
    expect(await askWhy('http://call.example', 'abc', () => Promise.reject(new TypeError('no')))).toBeUndefined();
  });
});

describe('canRejoin', () => {
  it('is offered only where the same link can help', () => {
    const kinds: EndingKind[] = ['left', 'full', 'duplicate', 'closed', 'shutdown', 'unreachable', 'lost', 'failed', 'locked', 'waiting'];
    expect(kinds.filter(canRejoin)).toEqual(kinds);
    const over: EndingKind[] = ['incomplete', 'expired', 'refused', 'removed', 'banned', 'ended', 'third'];
    expect(over.filter(canRejoin)).toEqual([]);
  });
});
