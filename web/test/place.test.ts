import type { Participant } from 'livekit-client';
import { describe, expect, it } from 'vitest';
import type { Ability, Role } from '../src/core/place';
import { allRights, factsOf, handOf, may, maySend, rightsOf, roleOf } from '../src/core/place';

const participant = (attributes: Record<string, string>) => ({ attributes }) as unknown as Participant;

describe('may', () => {
  // Who may what stands in the server's source; the page offers just that.
  const source = Object.values(import.meta.glob<string>('../../call/kind.go', { query: '?raw', import: 'default', eager: true }))[0] ?? '';
  const table = /var abilities = [^{]*\{([\s\S]*?)\n\}/.exec(source)?.[1] ?? '';
  const rows = [...table.matchAll(/(\w+):\s*\{([^}]*)\}/g)].map(([, role, list]): [Role, string[]] => [
    (role ?? '').toLowerCase() as Role,
    (list ?? '').split(',').map((ability) => ability.trim().toLowerCase()),
  ]);

  it('is what the server says of each role', () => {
    expect(rows.map(([role]) => role).sort()).toEqual(['guest', 'host', 'operator', 'party', 'speaker', 'viewer']);
    for (const [role, list] of rows) {
      for (const ability of ['moderate', 'manage', 'end'] satisfies Ability[]) {
        expect([role, ability, may(role, ability)]).toEqual([role, ability, list.includes(ability)]);
      }
    }
  });

  it('is nothing without a role', () => {
    expect(may(undefined, 'moderate')).toBe(false);
  });
});

describe('roleOf', () => {
  it('reads what the server says and nothing else', () => {
    expect(roleOf(participant({ 'careline.role': 'operator' }))).toBe('operator');
    expect(roleOf(participant({ 'careline.role': 'admin' }))).toBeUndefined();
    expect(roleOf(participant({ 'careline.role': 'toString' }))).toBeUndefined();
    expect(roleOf(participant({}))).toBeUndefined();
  });
});

describe('handOf', () => {
  it('tells when the hand went up', () => {
    expect(handOf(participant({ 'careline.hand': '2026-11-21T08:00:00Z' }))).toBe(Date.UTC(2026, 10, 21, 8));
    expect(handOf(participant({ 'careline.hand': 'yes' }))).toBe(Number.MAX_SAFE_INTEGER);
    expect(handOf(participant({ 'careline.hand': '' }))).toBeUndefined();
    expect(handOf(participant({}))).toBeUndefined();
  });
});

describe('factsOf', () => {
  it('reads the metadata of calls', () => {
    const metadata = '{"careline":{"call":"call-1","kind":"conference","title":"Lost passport"}}';
    expect(factsOf(metadata)).toEqual({ id: 'call-1', kind: 'conference', title: 'Lost passport' });
    expect(factsOf('{"careline":{"call":"call-1","kind":"direct"}}')).toEqual({ id: 'call-1', kind: 'direct', title: '' });
  });

  it.each([undefined, '', 'text', 'null', '{}', '{"careline":5}', '{"careline":{"call":1,"kind":"direct"}}', '{"careline":{"call":"a","kind":"party"}}'])(
    'finds no call in %j',
    (metadata) => {
      expect(factsOf(metadata)).toBeUndefined();
    },
  );
});

describe('rightsOf', () => {
  const rights = (canPublish: boolean, ...canPublishSources: number[]) => rightsOf({ canPublish, canPublishSources } as unknown as Participant['permissions']);

  it('follows the permission and the sources that it names', () => {
    expect(rights(true)).toEqual(allRights);
    expect(rights(true, 2)).toEqual({ microphone: true, camera: false, screen: false });
    expect(rights(true, 1, 3)).toEqual({ microphone: false, camera: true, screen: true });
    expect(rightsOf(undefined)).toEqual(allRights);
    expect([maySend(rights(true, 2)), maySend(rights(false)), maySend(rights(true, 4))]).toEqual([true, false, false]);
  });
});
