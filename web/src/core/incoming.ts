import type { ElementInfo, RemoteTrackPublication, RemoteVideoTrack, Room, VideoQuality } from 'livekit-client';
import type { PictureChoice, PictureKind } from './people';
import { kindOf } from './people';

// livekit.VideoQuality by number: the library itself loads at the first call.
const qualities = { auto: 2, high: 2, medium: 1, low: 0, paused: 0 } as unknown as Record<PictureChoice, VideoQuality>;

/** Larger than any camera, for a picture whose size is not told. */
const fallback = { width: 3840, height: 2160 };

/**
 * How large the pictures of the others may arrive. Choices are kept by person, so that they outlive a reconnect, in which
 * everybody's tracks become new ones.
 *
 * Pausing needs nothing here: a picture that no element shows is stopped by livekit-client's adaptive stream.
 */
export class Incoming {
  private readonly choices = new Map<string, PictureChoice>();
  private readonly enlarged = new WeakMap<RemoteVideoTrack, ElementInfo>();
  /** Pictures of people arrive small unless chosen otherwise. */
  savingData = false;

  choice(identity: string, kind: PictureKind): PictureChoice {
    return this.choices.get(`${kind} ${identity}`) ?? 'auto';
  }

  choose(identity: string, kind: PictureKind, choice: PictureChoice): void {
    this.choices.set(`${kind} ${identity}`, choice);
  }

  /** Tells the server what is wanted of each picture that has arrived. */
  apply(room: Room): void {
    for (const participant of room.remoteParticipants.values()) {
      for (const publication of participant.videoTrackPublications.values()) this.ask(participant.identity, publication);
    }
  }

  private ask(identity: string, publication: RemoteTrackPublication): void {
    const track = publication.videoTrack as RemoteVideoTrack | undefined;
    if (!track) return;
    const kind = kindOf(publication);
    const choice = this.choice(identity, kind);
    const small = choice === 'auto' && kind === 'camera' && this.savingData;
    publication.setVideoQuality(qualities[small ? 'low' : choice]);
    this.enlarge(track, publication, choice === 'high');
  }

  /**
   * The adaptive stream asks for the size of the largest element that shows a track. One more element, of the picture's full
   * size but never visible, makes it ask for everything without keeping alive what nobody sees.
   */
  private enlarge(track: RemoteVideoTrack, publication: RemoteTrackPublication, on: boolean): void {
    const now = this.enlarged.get(track);
    if (on === (now !== undefined)) return;
    if (now) {
      this.enlarged.delete(track);
      track.stopObservingElementInfo(now);
      return;
    }
    const full: ElementInfo = {
      element: {},
      width: () => publication.dimensions?.width ?? fallback.width,
      height: () => publication.dimensions?.height ?? fallback.height,
      visible: false,
      pictureInPicture: false,
      visibilityChangedAt: undefined,
      observe: () => undefined,
      stopObserving: () => undefined,
    };
    this.enlarged.set(track, full);
    track.observeElementInfo(full);
  }
}
