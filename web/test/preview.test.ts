import { describe, expect, it, vi } from 'vitest';
import { Choices, problemOf } from '../src/core/devices';
import { Preview } from '../src/core/preview';

class FakeTrack extends EventTarget {
  readonly stop = vi.fn();
  constructor(readonly kind: 'audio' | 'video') {
    super();
  }
}

const stream = (tracks: FakeTrack[]): MediaStream =>
  ({
    getTracks: () => tracks,
    getAudioTracks: () => tracks.filter((t) => t.kind === 'audio'),
    getVideoTracks: () => tracks.filter((t) => t.kind === 'video'),
  }) as unknown as MediaStream;

/** Media devices of which some refuse, by the name of their error. */
function media(refuse: { audio?: string; video?: string } = {}) {
  const asked: MediaStreamConstraints[] = [];
  const tracks: FakeTrack[] = [];
  const getUserMedia = (constraints: MediaStreamConstraints): Promise<MediaStream> => {
    asked.push(constraints);
    for (const kind of ['audio', 'video'] as const) {
      const name = refuse[kind];
      if (constraints[kind] && name) return Promise.reject(new DOMException('refused', name));
    }
    const opened = (['audio', 'video'] as const).filter((kind) => constraints[kind]).map((kind) => new FakeTrack(kind));
    tracks.push(...opened);
    return Promise.resolve(stream(opened));
  };
  return { devices: { getUserMedia } as unknown as MediaDevices, asked, tracks };
}

const allowed = (state: PermissionState): Permissions =>
  ({ query: () => Promise.resolve({ state }) }) as unknown as Permissions;

function memory(): Choices {
  const values = new Map<string, string>();
  return new Choices({
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
  } as unknown as Storage);
}

describe('Preview', () => {
  it('asks nothing before the reader was told', async () => {
    const { devices, asked } = media();
    const preview = new Preview(devices, allowed('prompt'), memory());
    await preview.begin();
    expect([preview.phase, asked.length]).toEqual(['idle', 0]);
  });

  it('opens both at once where they were allowed before', async () => {
    const { devices, asked } = media();
    const preview = new Preview(devices, allowed('granted'), memory());
    await preview.begin();
    expect(asked).toHaveLength(1);
    expect(preview.phase).toBe('done');
    expect(preview.microphone.track?.kind).toBe('audio');
    expect(preview.camera.track?.kind).toBe('video');
  });

  it('keeps the microphone when only the camera is refused', async () => {
    const { devices } = media({ video: 'NotAllowedError' });
    const preview = new Preview(devices, allowed('prompt'), memory());
    await preview.open();
    expect(preview.microphone.track).toBeDefined();
    expect(preview.camera).toEqual({ wanted: true, track: undefined, problem: 'denied' });
  });

  it('names the problem of each device', async () => {
    const { devices } = media({ audio: 'NotReadableError', video: 'NotFoundError' });
    const preview = new Preview(devices, undefined, memory());
    await preview.open();
    expect([preview.microphone.problem, preview.camera.problem]).toEqual(['busy', 'missing']);
  });

  it('turns a device off and on', async () => {
    const { devices, tracks } = media();
    const preview = new Preview(devices, undefined, memory());
    await preview.open();
    await preview.toggle('camera');
    expect(preview.camera.track).toBeUndefined();
    expect(tracks[1]?.stop).toHaveBeenCalled();
    await preview.toggle('camera');
    expect(preview.camera.track).toBe(tracks[2]);
  });

  it('remembers a choice and asks for it next time without insisting on it', async () => {
    const choices = memory();
    const first = media();
    const preview = new Preview(first.devices, undefined, choices);
    await preview.open();
    await preview.choose('microphone', 'mic-2');
    const second = media();
    await new Preview(second.devices, undefined, choices).open();
    expect(second.asked[0]?.audio).toMatchObject({ deviceId: { ideal: 'mic-2' } });
  });

  it('notices a device that is pulled out', async () => {
    const { devices, tracks } = media();
    const preview = new Preview(devices, undefined, memory());
    await preview.open();
    tracks[0]?.dispatchEvent(new Event('ended'));
    expect(preview.microphone).toEqual({ wanted: true, track: undefined, problem: 'missing' });
  });

  it('hands its tracks over and closes none of them afterwards', async () => {
    const { devices, tracks } = media();
    const preview = new Preview(devices, undefined, memory());
    await preview.open();
    const taken = preview.take();
    preview.stop();
    expect([taken.microphone, taken.camera]).toEqual(tracks);
    expect(tracks.some((t) => t.stop.mock.calls.length > 0)).toBe(false);
  });

  it('closes a device that opens only after the reader has gone', async () => {
    const { devices, tracks } = media();
    const preview = new Preview(devices, undefined, memory());
    const opening = preview.open();
    preview.stop();
    await opening;
    expect(tracks.every((t) => t.stop.mock.calls.length > 0)).toBe(true);
    expect(preview.camera.track).toBeUndefined();
  });
});

describe('problemOf', () => {
  it.each([
    ['NotAllowedError', 'denied'],
    ['SecurityError', 'denied'],
    ['NotFoundError', 'missing'],
    ['OverconstrainedError', 'missing'],
    ['NotReadableError', 'busy'],
    ['AbortError', 'busy'],
    ['TypeError', 'failed'],
  ])('%s is %s', (name, problem) => {
    expect(problemOf(new DOMException('', name))).toBe(problem);
  });

  it('takes anything else as a failure', () => {
    expect(problemOf('text')).toBe('failed');
  });
});
