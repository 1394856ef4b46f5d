import { describe, expect, it, vi } from 'vitest';
import { makeCall } from '../src/core/api';
import { columnsFor, initials } from '../src/core/layout';
import { CallSession } from '../src/core/session';

describe('columnsFor', () => {
  it.each([
    [1, 1000, 500, 1],
    [2, 1000, 400, 2],
    [2, 360, 600, 1],
    [4, 1000, 700, 2],
    [6, 1200, 700, 3],
    [6, 360, 600, 2],
    [9, 1000, 700, 3],
    [3, 0, 0, 1],
  ])('%i tiles in %i x %i stand in %i columns', (count, width, height, columns) => {
    expect(columnsFor(count, width, height)).toBe(columns);
  });
});

describe('initials', () => {
  it.each([
    ['Maria Fernandez Gutierrez', 'MG'],
    ['guest-1', 'G'],
    ['\u00f6mer', '\u00d6'],
    ['\u{1f600} x', '\u{1f600}X'],
    ['', ''],
  ])('of %j are %j', (name, letters) => {
    expect(initials(name)).toBe(letters);
  });
});

describe('makeCall', () => {
  it('says only what was chosen', async () => {
    const send = vi.fn(() => Promise.resolve(Response.json({ room: 'r', links: [] })));
    expect(await makeCall('direct', '', false, send)).toEqual({ room: 'r', links: [] });
    await makeCall('conference', 'tea', true, send);
    const bodies = (send.mock.calls as unknown as [string, RequestInit][]).map(([, init]) => init.body);
    expect(bodies).toEqual(['{"kind":"direct"}', '{"kind":"conference","title":"tea","waiting_room":true}']);
  });

  it('throws when the server refuses', async () => {
    const send = () => Promise.resolve(new Response('no', { status: 403 }));
    await expect(makeCall('direct', '', false, send)).rejects.toThrow('403');
  });
});

describe('CallSession', () => {
  const nothing = { microphone: undefined, camera: undefined, speaker: undefined };

  it('ends as unreachable when the library cannot be loaded, and closes the given devices', async () => {
    const session = new CallSession({}, () => Promise.reject(new TypeError('Failed to fetch')));
    const stop = vi.fn();
    await session.join('http://127.0.0.1:1', 'token', { ...nothing, camera: { stop } as unknown as MediaStreamTrack });
    expect([session.phase, session.ending]).toEqual(['ended', 'unreachable']);
    expect(stop).toHaveBeenCalled();
  });

  it('ends as left when the reader leaves while the library loads', async () => {
    const lib = await import('livekit-client');
    let loaded: (value: typeof lib) => void = () => undefined;
    const session = new CallSession({}, () => new Promise((resolve) => (loaded = resolve)));
    const joining = session.join('http://127.0.0.1:1', 'token', nothing);
    await session.leave();
    loaded(lib);
    await joining;
    expect([session.phase, session.ending]).toEqual(['ended', 'left']);
  });

  it('leaves without having joined', async () => {
    const session = new CallSession({}, () => Promise.reject(new Error('not needed')));
    await session.leave();
    expect(session.phase).toBe('idle');
  });
});
