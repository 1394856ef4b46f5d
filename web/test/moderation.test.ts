import { describe, expect, it, vi } from 'vitest';
import type { CallApi, Waiting } from '../src/core/calls';
import { Refused } from '../src/core/client';
import { Moderation } from '../src/core/moderation';
import type { CallKind } from '../src/core/place';

const gus = { identity: 'guest-1', name: 'Gus' };
const ida = { identity: 'guest-2', name: 'Ida' };

/** A server that keeps a lock and a queue. */
function desk(kind: CallKind = 'conference') {
  const server = { locked: false, queue: [gus, ida] as Waiting[] };
  const leave = (identity: string) => {
    server.queue = server.queue.filter((guest) => guest.identity !== identity);
    return Promise.resolve();
  };
  const api = {
    read: vi.fn(() => Promise.resolve({ locked: server.locked })),
    waiting: vi.fn(() => Promise.resolve(server.queue)),
    admit: vi.fn(leave),
    remove: vi.fn(leave),
    mute: vi.fn(() => Promise.resolve()),
    letSpeak: vi.fn(() => Promise.resolve()),
    lowerHand: vi.fn(() => Promise.resolve()),
    lock: vi.fn((on: boolean) => {
      server.locked = on;
      return Promise.resolve();
    }),
    invite: vi.fn(() => Promise.resolve('https://call.example/call#invite=c')),
    end: vi.fn(() => Promise.resolve()),
  };
  const moderation = new Moderation(api as unknown as CallApi, 'host', { id: 'call-1', kind, title: '' });
  return { server, api, moderation };
}

describe('Moderation', () => {
  it('reads the lock and who waits', async () => {
    const { server, moderation } = desk();
    server.locked = true;
    expect(moderation.locked).toBeUndefined();
    await moderation.read();
    expect([moderation.locked, moderation.waiting]).toEqual([true, [gus, ida]]);
  });

  it('asks for no queue where there is no waiting room', async () => {
    const { api, moderation } = desk('broadcast');
    await moderation.read();
    expect(api.waiting).not.toHaveBeenCalled();
    expect([moderation.locked, moderation.waiting]).toEqual([false, []]);
  });

  it('reads again what changed while it read', async () => {
    const { server, api, moderation } = desk();
    const reading = moderation.read();
    server.queue = [ida];
    await moderation.read();
    await reading;
    expect(api.waiting).toHaveBeenCalledTimes(2);
    expect(moderation.waiting).toEqual([ida]);
  });

  it('lets somebody in and turns somebody away', async () => {
    const { api, moderation } = desk();
    await moderation.read();
    expect(await moderation.admit(gus)).toBe(true);
    expect([moderation.waiting, moderation.done]).toEqual([[ida], { action: 'admit', name: 'Gus' }]);
    await moderation.turnAway(ida);
    expect(api.remove).toHaveBeenCalledWith('guest-2', false);
    expect(moderation.waiting).toEqual([]);
  });

  it('forgets who waited when they are in the call', async () => {
    const { moderation } = desk();
    await moderation.read();
    moderation.arrived(new Set(['host', 'guest-2']));
    expect(moderation.waiting).toEqual([gus]);
  });

  it('asks for what each action means', async () => {
    const { api, moderation } = desk('broadcast');
    await moderation.muteMicrophone(gus);
    await moderation.muteCamera(gus);
    expect(api.mute.mock.calls).toEqual([
      ['guest-1', { audio: true, video: false }],
      ['guest-1', { audio: false, video: true }],
    ]);
    await moderation.letSpeak(gus);
    await moderation.silence(gus);
    await moderation.lowerHand(gus);
    expect(api.letSpeak.mock.calls).toEqual([
      ['guest-1', true],
      ['guest-1', false],
    ]);
    expect(api.lowerHand).toHaveBeenCalledWith('guest-1');
    await moderation.remove(gus, true);
    expect(api.remove).toHaveBeenCalledWith('guest-1', true);
    expect(moderation.done).toEqual({ action: 'ban', name: 'Gus' });
    await moderation.lock(true);
    expect(moderation.locked).toBe(true);
    await moderation.invite();
    expect(moderation.link).toBe('https://call.example/call#invite=c');
    expect(await moderation.end()).toBe(true);
  });

  it('says what went wrong, until it is put away or something else is tried', async () => {
    const { api, moderation } = desk();
    api.lock.mockRejectedValueOnce(new Refused('lock', 'expired'));
    expect(await moderation.lock(true)).toBe(false);
    expect([moderation.trouble, moderation.locked, moderation.done]).toEqual(['expired', undefined, undefined]);
    moderation.dismiss();
    expect(moderation.trouble).toBeUndefined();
    api.mute.mockRejectedValueOnce(new Refused('mute', 'gone'));
    await moderation.muteMicrophone(gus);
    expect(moderation.trouble).toBe('gone');
    await moderation.lock(true);
    expect([moderation.trouble, moderation.locked]).toEqual([undefined, true]);
    api.read.mockRejectedValueOnce(new Error('what'));
    await moderation.read();
    expect(moderation.trouble).toBe('failed');
  });

  it('does nothing twice at once', async () => {
    const { api, moderation } = desk();
    const first = moderation.remove(gus, false);
    expect([moderation.busy('remove', 'guest-1'), moderation.busy('remove', 'guest-2')]).toEqual([true, false]);
    expect(await moderation.remove(gus, false)).toBe(false);
    expect(await first).toBe(true);
    expect(api.remove).toHaveBeenCalledTimes(1);
    expect(moderation.busy('remove', 'guest-1')).toBe(false);
  });
});
