import type { Participant, RemoteTrack, Room, TrackPublication } from 'livekit-client';
import type { Role } from './place';
import { handOf, maySend, rightsOf, roleOf } from './place';

/** A track that a media element can show; the elements need no more of it. */
export interface Showable {
  attach(element: HTMLMediaElement): unknown;
  detach(element: HTMLMediaElement): unknown;
}

/** Which of a person's pictures. */
export type PictureKind = 'camera' | 'screen';

/**
 * How large a picture of somebody else may arrive: auto as its place on the page needs it, high always the largest there
 * is, medium and low at most that, paused not at all.
 */
export type PictureChoice = 'auto' | 'high' | 'medium' | 'low' | 'paused';

/** Why a picture that is sent is not seen moving: the reader wants it so, or the server has no room for it on this link. */
export type Pause = 'chosen' | 'network';

/** A picture that somebody sends. */
export interface Picture {
  /** Undefined while it is not to be shown. */
  track: Showable | undefined;
  pause: Pause | undefined;
  choice: PictureChoice;
}

/** How good somebody's connection is in the server's judgement; unknown until it has told. */
export type Quality = 'excellent' | 'good' | 'poor' | 'lost' | 'unknown';

export interface Person {
  identity: string;
  name: string;
  local: boolean;
  speaking: boolean;
  microphone: 'on' | 'muted' | 'none';
  camera: Picture | undefined;
  screen: Picture | undefined;
  /** Whether the picture is of somebody who looks at this screen: then it is shown as in a mirror. */
  mirrored: boolean;
  quality: Quality;
  /** Undefined in rooms that are no calls. */
  role: Role | undefined;
  /** When the hand went up, in milliseconds since 1970; undefined while it is down. */
  hand: number | undefined;
  /** Whether there is anything that this person may send: a broadcast's viewers may not until they are let speak. */
  maySend: boolean;
}

export interface Sound {
  sid: string;
  track: RemoteTrack;
}

/** What the reader chose to see. */
export interface Viewing {
  audioOnly: boolean;
  choice(identity: string, kind: PictureKind): PictureChoice;
}

// Track.Source and Track.StreamState by value: the library itself loads at the first call.
const sourceOf = (publication: TrackPublication): string => publication.source;
const screenShare = 'screen_share';
const screenShareAudio = 'screen_share_audio';
const streamPaused = 'paused';

/** Programs may publish without naming a source: any picture but a screen counts as camera. */
export function kindOf(publication: TrackPublication): PictureKind {
  return sourceOf(publication) === screenShare ? 'screen' : 'camera';
}

function pictureOf(participant: Participant, kind: PictureKind, viewing: Viewing): Picture | undefined {
  const publication = [...participant.videoTrackPublications.values()].find((p) => kindOf(p) === kind);
  if (!publication?.track || publication.isMuted) return undefined;
  const choice = participant.isLocal ? 'auto' : viewing.choice(participant.identity, kind);
  const hidden = choice === 'paused' || viewing.audioOnly;
  const held = (publication.track.streamState as string | undefined) === streamPaused;
  return {
    track: hidden ? undefined : publication.track,
    pause: choice === 'paused' ? 'chosen' : held && !hidden ? 'network' : undefined,
    choice,
  };
}

function qualityOf(participant: Participant): Quality {
  const quality = participant.connectionQuality as string;
  return quality === 'excellent' || quality === 'good' || quality === 'poor' || quality === 'lost' ? quality : 'unknown';
}

/** One participant as the page shows it. */
export function personOf(participant: Participant, viewing: Viewing): Person {
  const audio = [...participant.audioTrackPublications.values()].filter((p) => sourceOf(p) !== screenShareAudio);
  const camera = pictureOf(participant, 'camera', viewing);
  const facing = (camera?.track as { mediaStreamTrack?: MediaStreamTrack } | undefined)?.mediaStreamTrack?.getSettings().facingMode;
  return {
    identity: participant.identity,
    name: participant.name?.trim() ? participant.name : participant.identity,
    local: participant.isLocal,
    speaking: participant.isSpeaking,
    microphone: audio.length === 0 ? 'none' : audio.some((p) => !p.isMuted) ? 'on' : 'muted',
    camera,
    // Without its picture a shared screen would only take the place of the people.
    screen: viewing.audioOnly && !participant.isLocal ? undefined : pictureOf(participant, 'screen', viewing),
    mirrored: participant.isLocal && facing !== 'environment',
    quality: qualityOf(participant),
    role: roleOf(participant),
    hand: handOf(participant),
    maySend: maySend(rightsOf(participant.permissions)),
  };
}

/** Everybody in the room: this side first, then the others in the order they joined. */
export function peopleOf(room: Room, viewing: Viewing): Person[] {
  const others = [...room.remoteParticipants.values()].sort(
    (a, b) => (a.joinedAt?.getTime() ?? 0) - (b.joinedAt?.getTime() ?? 0) || a.identity.localeCompare(b.identity),
  );
  return [room.localParticipant, ...others].map((p) => personOf(p, viewing));
}

/** Those with a raised hand, first raised first. */
export function raisedHands(people: readonly Person[]): Person[] {
  return people.filter((p) => p.hand !== undefined).sort((a, b) => (a.hand ?? 0) - (b.hand ?? 0));
}

/** As people are listed: this side, then raised hands, then the others, a broadcast's silent audience last. */
export function listed(people: readonly Person[]): Person[] {
  const me = people.filter((p) => p.local);
  const hands = raisedHands(people).filter((p) => !p.local);
  const rest = people.filter((p) => !p.local && p.hand === undefined);
  return [...me, ...hands, ...staged(rest), ...rest.filter((p) => p.role === 'viewer' && !p.maySend)];
}

/** Who has a place on the stage: of a broadcast only those who may speak. */
export function staged(people: readonly Person[]): Person[] {
  return people.filter((p) => p.role !== 'viewer' || p.maySend);
}

/** Everything of the others that is to be heard. */
export function soundsOf(room: Room): Sound[] {
  const sounds: Sound[] = [];
  for (const participant of room.remoteParticipants.values()) {
    for (const publication of participant.audioTrackPublications.values()) {
      if (publication.track) sounds.push({ sid: publication.trackSid, track: publication.track });
    }
  }
  return sounds;
}
