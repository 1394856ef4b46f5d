import { describe, expect, it, vi } from 'vitest';
import type { Place } from '../src/core/invite';
import { enter, readInvite } from '../src/core/invite';

const place = (): Place => ({ code: 'c', name: 'Gus', ticket: '' });
const answer = (body: unknown, status = 200) => () => Promise.resolve(Response.json(body, { status }));

describe('readInvite', () => {
  it('finds the code behind the #', () => {
    expect(readInvite('#invite=abc')).toBe('abc');
    expect(readInvite('#token=abc')).toBeUndefined();
    expect(readInvite('')).toBeUndefined();
  });
});

describe('enter', () => {
  it('keeps the ticket and shows it the next time', async () => {
    const guest = place();
    expect(await enter(guest, answer({ status: 'waiting', ticket: 't' }))).toEqual({ state: 'waiting' });
    expect(guest.ticket).toBe('t');
    const send = vi.fn(answer({ status: 'admitted', ticket: 't', joining: { token: 'j' } }));
    expect(await enter(guest, send)).toEqual({ state: 'admitted', token: 'j' });
    const [path, init] = send.mock.calls[0] as unknown as [string, RequestInit];
    expect([path, init.body]).toEqual(['/v1/invites/join', '{"code":"c","ticket":"t","name":"Gus"}']);
  });

  it.each([
    [403, 'closed'],
    [404, 'invalid'],
    [422, 'invalid'],
    [429, 'unreachable'],
    [500, 'unreachable'],
  ])('status %d means %s', async (status, reason) => {
    expect(await enter(place(), answer({}, status))).toEqual({ state: 'refused', reason });
  });

  it.each([
    ['this call is locked', 'locked'],
    ['this call has ended', 'ended'],
    ['you may not join this call', 'banned'],
    ['this call is between two other people', 'third'],
  ])('tells that %s', async (detail, ending) => {
    expect(await enter(place(), answer({ detail }, 403))).toEqual({ state: 'forbidden', ending });
  });

  it('knows who was turned away from one who has a wrong link', async () => {
    expect(await enter({ ...place(), ticket: 't' }, answer({}, 404))).toEqual({ state: 'refused', reason: 'turned-away' });
    expect(await enter(place(), answer({}, 404))).toEqual({ state: 'refused', reason: 'invalid' });
  });

  it('takes an answer without a token, or none at all, for out of reach', async () => {
    expect(await enter(place(), answer({ status: 'admitted' }))).toEqual({ state: 'refused', reason: 'unreachable' });
    expect(await enter(place(), () => Promise.reject(new TypeError('offline')))).toEqual({ state: 'refused', reason: 'unreachable' });
  });
});
