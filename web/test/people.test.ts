import type { Participant, Room } from 'livekit-client';
import { describe, expect, it } from 'vitest';
import type { PictureChoice, PictureKind, Viewing } from '../src/core/people';
import { listed, peopleOf, personOf, raisedHands, soundsOf, staged } from '../src/core/people';

/** A reader who sees everything but, perhaps, one kind of picture as chosen. */
function seeing(chosen: Partial<Record<PictureKind, PictureChoice>> = {}): Viewing {
  return { audioOnly: false, choice: (_identity, kind) => chosen[kind] ?? 'auto' };
}
const hearing: Viewing = { ...seeing(), audioOnly: true };

interface FakePublication {
  source: string;
  isMuted?: boolean;
  track?: object;
  trackSid?: string;
}

function participant(values: {
  identity: string;
  name?: string;
  local?: boolean;
  joined?: number;
  quality?: string;
  audio?: FakePublication[];
  video?: FakePublication[];
  attributes?: Record<string, string>;
  canPublish?: boolean;
}): Participant {
  const map = (list: FakePublication[] = []) => new Map(list.map((p, i) => [String(i), { isMuted: false, ...p }]));
  return {
    identity: values.identity,
    name: values.name,
    isLocal: values.local ?? false,
    isSpeaking: false,
    joinedAt: new Date(values.joined ?? 0),
    connectionQuality: values.quality ?? 'unknown',
    attributes: values.attributes ?? {},
    permissions: { canPublish: values.canPublish ?? true, canPublishSources: [] },
    audioTrackPublications: map(values.audio),
    videoTrackPublications: map(values.video),
  } as unknown as Participant;
}

describe('personOf', () => {
  it.each([
    ['none', []],
    ['on', [{ source: 'microphone' }]],
    ['muted', [{ source: 'microphone', isMuted: true }]],
    ['on', [{ source: 'unknown' }]],
    ['none', [{ source: 'screen_share_audio' }]],
  ] as const)('the microphone is %s with %j', (state, audio) => {
    expect(personOf(participant({ identity: 'a', audio: [...audio] }), seeing()).microphone).toBe(state);
  });

  it('tells camera and screen apart and hides muted pictures', () => {
    const camera = {};
    const screen = {};
    const video = [
      { source: 'screen_share', track: screen },
      { source: 'camera', track: camera },
    ];
    const person = personOf(participant({ identity: 'a', video }), seeing());
    expect(person.camera?.track).toBe(camera);
    expect(person.screen?.track).toBe(screen);
    const muted = personOf(participant({ identity: 'a', video: [{ source: 'camera', track: camera, isMuted: true }] }), seeing());
    expect(muted.camera).toBeUndefined();
  });

  it('shows a picture without a source as a camera', () => {
    const track = {};
    expect(personOf(participant({ identity: 'a', video: [{ source: 'unknown', track }] }), seeing()).camera?.track).toBe(track);
  });

  it('shows no pictures when there is only sound', () => {
    const video = [
      { source: 'camera', track: {} },
      { source: 'screen_share', track: {} },
    ];
    const person = personOf(participant({ identity: 'a', video }), hearing);
    expect([person.camera?.track, person.screen]).toEqual([undefined, undefined]);
    expect(person.camera?.pause).toBeUndefined();
  });

  it('uses the identity for a missing or blank name', () => {
    expect(personOf(participant({ identity: 'a' }), seeing()).name).toBe('a');
    expect(personOf(participant({ identity: 'a', name: '  ' }), seeing()).name).toBe('a');
    expect(personOf(participant({ identity: 'a', name: 'Ana' }), seeing()).name).toBe('Ana');
  });

  it('mirrors only oneself, and not what the back camera sees', () => {
    const seen = (local: boolean, facingMode?: string) =>
      personOf(
        participant({
          identity: 'a',
          local,
          video: [{ source: 'camera', track: { mediaStreamTrack: { getSettings: () => ({ facingMode }) } } }],
        }),
        seeing(),
      ).mirrored;
    expect([seen(true), seen(true, 'user'), seen(true, 'environment'), seen(false)]).toEqual([true, true, false, false]);
  });

  it.each([
    ['excellent', 'excellent'],
    ['good', 'good'],
    ['poor', 'poor'],
    ['lost', 'lost'],
    ['unknown', 'unknown'],
    ['something new', 'unknown'],
  ])('quality %s is %s', (told, quality) => {
    expect(personOf(participant({ identity: 'a', quality: told }), seeing()).quality).toBe(quality);
  });

  it('says why a picture that is sent stands still', () => {
    const seen = (streamState: string, viewing: Viewing, local = false) => {
      const video = [{ source: 'camera', track: { streamState } }];
      const { camera } = personOf(participant({ identity: 'a', local, video }), viewing);
      return [camera?.pause, camera?.track !== undefined, camera?.choice];
    };
    expect(seen('active', seeing())).toEqual([undefined, true, 'auto']);
    expect(seen('paused', seeing())).toEqual(['network', true, 'auto']);
    expect(seen('active', seeing({ camera: 'low' }))).toEqual([undefined, true, 'low']);
    expect(seen('paused', seeing({ camera: 'paused' }))).toEqual(['chosen', false, 'paused']);
    expect(seen('active', seeing({ camera: 'paused' }), true)).toEqual([undefined, true, 'auto']);
    expect(seen('paused', hearing)).toEqual([undefined, false, 'auto']);
  });
});

describe('a room', () => {
  const others = [
    participant({ identity: 'late', joined: 20, audio: [{ source: 'microphone', track: {}, trackSid: 'TR_1' }] }),
    participant({ identity: 'early', joined: 10, audio: [{ source: 'microphone', trackSid: 'TR_2' }] }),
    participant({ identity: 'also-late', joined: 20 }),
  ];
  const room = {
    localParticipant: participant({ identity: 'me', local: true, joined: 30 }),
    remoteParticipants: new Map(others.map((p) => [p.identity, p])),
  } as unknown as Room;

  it('lists this side first, then the others as they came', () => {
    expect(peopleOf(room, seeing()).map((p) => p.identity)).toEqual(['me', 'early', 'also-late', 'late']);
  });

  it('plays each track that has arrived', () => {
    expect(soundsOf(room).map((s) => s.sid)).toEqual(['TR_1']);
  });
});

describe('a call', () => {
  const someone = (identity: string, role: string, hand = '', more: { local?: boolean; canPublish?: boolean } = {}) =>
    personOf(participant({ identity, attributes: { 'careline.role': role, 'careline.hand': hand }, ...more }), seeing());
  const early = '2026-11-21T08:00:00.100Z';
  const late = '2026-11-21T08:00:00.900Z';
  const people = [
    someone('speaker', 'speaker'),
    someone('quiet', 'viewer', '', { canPublish: false }),
    someone('second', 'viewer', late, { canPublish: false }),
    someone('odd', 'viewer', 'yes', { canPublish: false }),
    someone('first', 'viewer', early, { canPublish: false }),
    someone('voice', 'viewer'),
    someone('host', 'host', '', { local: true }),
  ];
  const names = (list: typeof people) => list.map((p) => p.identity);

  it('lists this side, then raised hands in the order they went up, then who may speak, then the audience', () => {
    expect(names(listed(people))).toEqual(['host', 'first', 'second', 'odd', 'speaker', 'voice', 'quiet']);
    expect(names(raisedHands(people))).toEqual(['first', 'second', 'odd']);
  });

  it('gives viewers who may not speak no place on the stage', () => {
    expect(names(staged(people))).toEqual(['speaker', 'voice', 'host']);
  });

  it('shows everybody of a room that is no call', () => {
    const plain = personOf(participant({ identity: 'a', canPublish: false }), seeing());
    expect([plain.role, plain.hand, plain.maySend]).toEqual([undefined, undefined, false]);
    expect(staged([plain])).toEqual([plain]);
  });
});
