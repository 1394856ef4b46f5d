import type { Participant, RemoteTrack, Room, TrackPublication } from 'livekit-client';

/** A track that a media element can show; the elements need no more of it. */
export interface Showable {
  attach(element: HTMLMediaElement): unknown;
  detach(element: HTMLMediaElement): unknown;
}

export interface Person {
  identity: string;
  name: string;
  local: boolean;
  speaking: boolean;
  microphone: 'on' | 'muted' | 'none';
  camera: Showable | undefined;
  screen: Showable | undefined;
  /** Whether the picture is of somebody who looks at this screen: then it is shown as in a mirror. */
  mirrored: boolean;
  link: 'good' | 'weak' | 'lost' | 'unknown';
}

export interface Sound {
  sid: string;
  track: RemoteTrack;
}

// Track.Source by value: the library itself loads at the first call.
const sourceOf = (publication: TrackPublication): string => publication.source;
const screenShare = 'screen_share';
const screenShareAudio = 'screen_share_audio';

function shown(publication: TrackPublication | undefined): Showable | undefined {
  if (!publication?.track || publication.isMuted) return undefined;
  return publication.track;
}

function linkOf(participant: Participant): Person['link'] {
  switch (participant.connectionQuality as string) {
    case 'excellent':
    case 'good':
      return 'good';
    case 'poor':
      return 'weak';
    case 'lost':
      return 'lost';
    default:
      return 'unknown';
  }
}

/** One participant as the page shows it. Programs may publish without naming a source: any picture but a screen counts as camera. */
export function personOf(participant: Participant, audioOnly: boolean): Person {
  const audio = [...participant.audioTrackPublications.values()].filter((p) => sourceOf(p) !== screenShareAudio);
  const video = [...participant.videoTrackPublications.values()];
  const camera = audioOnly ? undefined : shown(video.find((p) => sourceOf(p) !== screenShare));
  const facing = (camera as { mediaStreamTrack?: MediaStreamTrack } | undefined)?.mediaStreamTrack?.getSettings().facingMode;
  return {
    identity: participant.identity,
    name: participant.name?.trim() ? participant.name : participant.identity,
    local: participant.isLocal,
    speaking: participant.isSpeaking,
    microphone: audio.length === 0 ? 'none' : audio.some((p) => !p.isMuted) ? 'on' : 'muted',
    camera,
    screen: audioOnly && !participant.isLocal ? undefined : shown(video.find((p) => sourceOf(p) === screenShare)),
    mirrored: participant.isLocal && facing !== 'environment',
    link: linkOf(participant),
  };
}

/** Everybody in the room: this side first, then the others in the order they joined. */
export function peopleOf(room: Room, audioOnly: boolean): Person[] {
  const others = [...room.remoteParticipants.values()].sort(
    (a, b) => (a.joinedAt?.getTime() ?? 0) - (b.joinedAt?.getTime() ?? 0) || a.identity.localeCompare(b.identity),
  );
  return [room.localParticipant, ...others].map((p) => personOf(p, audioOnly));
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
