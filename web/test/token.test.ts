import { describe, expect, it } from 'vitest';
import { readFragment, readToken, writeFragment } from '../src/core/token';

const jwt = (claims: unknown): string => {
  const part = (value: unknown): string => {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  };
  return `${part({ alg: 'HS256' })}.${part(claims)}.c2ln`;
};

describe('readToken', () => {
  it('reads identity, name, room and expiry', () => {
    const token = jwt({ sub: 'guest-1', name: '\u00d6mer \u4f60\u597d', exp: 1_700_000_000, video: { room: 'trip' } });
    expect(readToken(token)).toEqual({
      identity: 'guest-1',
      name: '\u00d6mer \u4f60\u597d',
      room: 'trip',
      maySend: true,
      conversation: '',
      permissions: [],
      expires: 1_700_000_000_000,
    });
  });

  it('reads what it is for in chats', () => {
    const token = jwt({ sub: 'ann', permissions: ['chat:read', 7, 'chat:write'], scope: { conversation: '01KAJ3' } });
    expect(readToken(token)).toMatchObject({ conversation: '01KAJ3', permissions: ['chat:read', 'chat:write'] });
  });

  it.each([
    [{}, true],
    [{ canPublish: true }, true],
    [{ canPublish: false }, false],
  ])('with the grant %j may send: %s', (video, maySend) => {
    expect(readToken(jwt({ video }))?.maySend).toBe(maySend);
  });

  it.each(['', 'abc', 'a.b.c', 'a..c', jwt(null), jwt('text').slice(2), `${jwt({})}.more`])('refuses %j', (token) => {
    expect(readToken(token)).toBeUndefined();
  });

  it('takes claims of a wrong type as missing', () => {
    expect(readToken(jwt({ sub: 5, name: {}, exp: 'soon', video: 'x', scope: [], permissions: 'all' }))).toEqual({
      identity: '',
      name: '',
      room: '',
      maySend: true,
      conversation: '',
      permissions: [],
      expires: undefined,
    });
  });
});

describe('fragment', () => {
  it('carries token and name there and back', () => {
    const invitation = { token: 'a.b-c_d.e', name: 'Ana & Bo #1' };
    expect(readFragment(writeFragment(invitation))).toEqual(invitation);
    expect(readFragment(writeFragment({ token: 't', name: '' }))).toEqual({ token: 't', name: '' });
  });

  it.each(['', '#', '#name=x', '#token='])('finds no invitation in %j', (fragment) => {
    expect(readFragment(fragment)).toBeUndefined();
  });
});
