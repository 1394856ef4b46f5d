import { describe, expect, it, vi } from 'vitest';
import { blurOf, setBlur, wantedBlur } from '../src/core/blur';
import { Choices } from '../src/core/devices';
import { captureConstraints, captureOptions, isSending, recapture } from '../src/core/outgoing';
import { CallSession } from '../src/core/session';

/** A camera that remembers what was asked of it last. */
function camera(able: boolean[] | undefined, set: { backgroundBlur?: boolean } = {}, constraints: MediaTrackConstraints = {}) {
  const applyConstraints = vi.fn(() => Promise.resolve());
  const track = {
    getCapabilities: () => (able ? { backgroundBlur: able } : {}),
    getSettings: () => set,
    getConstraints: () => ({ ...constraints }),
    applyConstraints,
  };
  return { track: track as unknown as MediaStreamTrack, applyConstraints };
}

function remembering(values: Record<string, string> = {}): Choices {
  const kept = new Map(Object.entries(values).map(([key, value]) => [`careline.${key}`, value]));
  return new Choices({
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  } as unknown as Storage);
}

describe('the camera', () => {
  it('is asked for sizes and blur only as wishes, which no camera fails for', () => {
    for (const sending of ['high', 'medium', 'low'] as const) {
      const asked = Object.values(captureConstraints({ sending, blur: true })) as object[];
      expect(asked).toHaveLength(4);
      for (const wish of asked) expect(Object.keys(wish)).toEqual(['ideal']);
    }
    expect(captureConstraints({ sending: 'low', blur: undefined })).not.toHaveProperty('backgroundBlur');
    expect(captureConstraints({ sending: 'low', blur: false }).backgroundBlur).toEqual({ ideal: false });
  });

  it('comes back with the same wishes through livekit-client', () => {
    const { resolution, ...rest } = captureOptions({ sending: 'medium', blur: true });
    expect(resolution).toEqual({ width: 640, height: 360, frameRate: 30 });
    expect(rest).toEqual({ backgroundBlur: { ideal: true } });
  });

  it('keeps its device when its size changes, but no demand that it may no longer meet', async () => {
    const { track, applyConstraints } = camera([true, false], {}, { deviceId: 'front', backgroundBlur: { exact: true } });
    Object.assign(track, { getSettings: () => ({ height: 180 }) });
    await recapture(track, { sending: 'low', blur: undefined });
    expect(applyConstraints).toHaveBeenCalledWith({
      deviceId: 'front',
      width: { ideal: 320 },
      height: { ideal: 180 },
      frameRate: { ideal: 15 },
    });
  });

  it('is waited for until it has its new size', async () => {
    const { track } = camera(undefined);
    let asked = 0;
    Object.assign(track, { getSettings: () => ({ height: asked++ < 5 ? 720 : 360 }) });
    await recapture(track, { sending: 'medium', blur: undefined });
    expect(track.getSettings().height).toBe(360);
  });

  it('is not waited for when it has that size', async () => {
    const { track } = camera(undefined);
    const getSettings = vi.fn(() => ({ height: 360 }));
    Object.assign(track, { getSettings });
    await recapture(track, { sending: 'medium', blur: undefined });
    expect(getSettings).toHaveBeenCalledTimes(1);
  });

  it('is sent in three sizes', () => {
    expect(['high', 'medium', 'low', '', 'toString', undefined].map(isSending)).toEqual([true, true, true, false, false, false]);
  });
});

describe('blur', () => {
  const known = { backgroundBlur: true };

  it('can be switched where the camera offers both', () => {
    expect(blurOf(camera([true, false], { backgroundBlur: true }).track, known)).toEqual({ on: true, obstacle: undefined });
    expect(blurOf(camera([false, true], { backgroundBlur: false }).track, known)).toEqual({ on: false, obstacle: undefined });
  });

  it.each([
    ['browser', camera([true, false]).track, {}],
    ['browser', undefined, {}],
    ['no-camera', undefined, known],
    ['camera', camera(undefined).track, known],
    ['camera', camera([]).track, known],
    ['camera', {} as MediaStreamTrack, known],
    ['always-off', camera([false]).track, known],
    ['always-on', camera([true]).track, known],
  ] as const)('says why not: %s', (obstacle, track, browser) => {
    expect(blurOf(track, browser)).toEqual({ on: obstacle === 'always-on', obstacle });
  });

  it('is demanded, so that a failure is seen, and leaves the rest as it is', async () => {
    const { track, applyConstraints } = camera([true, false], {}, { width: { ideal: 640 } });
    await setBlur(track, true);
    expect(applyConstraints).toHaveBeenCalledWith({ width: { ideal: 640 }, backgroundBlur: { exact: true } });
  });

  it('is remembered, also that it is not wanted', () => {
    const wanted = [undefined, 'true', 'false'].map((blur) => wantedBlur(remembering(blur ? { blur } : {})));
    expect(wanted).toEqual([undefined, true, false]);
  });
});

describe('a session', () => {
  const session = (choices: Choices) => new CallSession({}, () => Promise.reject(new Error('not needed')), choices);

  it('begins with what was chosen before', () => {
    expect([session(remembering()).own.sending, session(remembering()).savingData]).toEqual(['high', false]);
    const again = session(remembering({ sending: 'medium', 'save-data': 'true' }));
    expect([again.own.sending, again.savingData]).toEqual(['medium', true]);
    expect(session(remembering({ sending: 'huge' })).own.sending).toBe('high');
  });

  it('remembers what is chosen', () => {
    const choices = remembering();
    const now = session(choices);
    now.own.setSending('low');
    now.setSavingData(true);
    expect([choices.get('sending'), choices.get('save-data')]).toEqual(['low', 'true']);
    now.setSavingData(false);
    expect(choices.get('save-data')).toBe('false');
  });
});
