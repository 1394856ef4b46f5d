import type { LocalTrack, LocalTrackPublication, LocalVideoTrack, Room, RoomOptions } from 'livekit-client';
import { setBlur, wantedBlur } from './blur';
import type { Choices, DeviceKind } from './devices';
import { problemOf } from './devices';
import type { Notice } from './notice';
import type { Capture, Sending } from './outgoing';
import { captureConstraints, captureOptions, isSending, recapture } from './outgoing';
import type { Rights } from './place';
import type { JoinMedia } from './preview';

type LiveKit = typeof import('livekit-client');
type Input = 'microphone' | 'camera' | 'screen';

/** Who hears of one's own media. */
export interface MediaHearer {
  changed(): void;
  tell(notice: Notice): void;
}

/** Asks for the device that a track comes from, when it is opened again after a pause. */
function deviceOf(track: MediaStreamTrack | undefined): { deviceId?: string } {
  const deviceId = track?.getSettings().deviceId;
  return deviceId ? { deviceId } : {};
}

/** One's own microphone, camera and screen in a call: switched, changed, sent as large as is wanted. */
export class OwnMedia {
  /** How large one's own picture is sent, unless data are saved. */
  sending: Sending;
  /** Which device is being switched; its button waits. */
  readonly busy = new Set<Input>();

  private room: Room | undefined;
  private lib: LiveKit | undefined;
  private small: boolean;
  /** How the picture is sent now, which follows the choice. */
  private sentAs: Sending;
  private readonly watched = new WeakSet<LocalTrack>();

  /** `small` says that data are saved. */
  constructor(
    private readonly choices: Choices,
    small: boolean,
    private readonly hearer: MediaHearer,
  ) {
    const sending = choices.get('sending');
    this.sending = isSending(sending) ? sending : 'high';
    this.small = small;
    this.sentAs = this.capture.sending;
  }

  /** What a room has to know of the tracks that will be sent into it. */
  options(media: JoinMedia): Pick<RoomOptions, 'audioCaptureDefaults' | 'videoCaptureDefaults' | 'audioOutput'> {
    return {
      audioCaptureDefaults: deviceOf(media.microphone),
      videoCaptureDefaults: { ...captureOptions(this.capture), ...deviceOf(media.camera) },
      ...(media.speaker ? { audioOutput: { deviceId: media.speaker } } : {}),
    };
  }

  /** Goes along with a room that is about to connect. */
  enter(room: Room, lib: LiveKit): void {
    this.room = room;
    this.lib = lib;
    room.on(lib.RoomEvent.LocalTrackPublished, (publication: LocalTrackPublication) => this.watchEnd(publication, lib));
  }

  /** Sends what was opened before the call. */
  async publish(room: Room, lib: LiveKit, media: JoinMedia, rights: Rights): Promise<void> {
    const me = room.localParticipant;
    const capture = this.capture;
    if (!rights.microphone) media.microphone?.stop();
    if (!rights.camera) media.camera?.stop();
    // The preview is opened in full size; these are wishes, and no camera is left out for them.
    if (media.camera && capture.sending !== 'high') await recapture(media.camera, capture).catch(() => undefined);
    const tracks = [
      media.microphone && rights.microphone && { track: new lib.LocalAudioTrack(media.microphone, deviceOf(media.microphone), false), source: lib.Track.Source.Microphone },
      media.camera && rights.camera && { track: new lib.LocalVideoTrack(media.camera, deviceOf(media.camera), false), source: lib.Track.Source.Camera },
    ];
    for (const item of tracks) {
      if (!item) continue;
      try {
        await me.publishTrack(item.track, { source: item.source });
      } catch {
        item.track.stop();
        // The call itself stands: one can still listen and write.
        if (room.state === lib.ConnectionState.Connected) this.hearer.tell({ kind: 'may-not-publish' });
      }
    }
    const camera = this.camera();
    this.remember(room, camera);
    if (camera) this.checkBlur(camera.mediaStreamTrack);
    this.sentAs = capture.sending;
    this.hearer.changed();
    // Another choice may have been made meanwhile.
    this.resend();
  }

  /** The server has ended the tracks; here their devices are let go. */
  letGo(room: Room): void {
    for (const { track } of [...room.localParticipant.trackPublications.values()]) {
      if (track) void room.localParticipant.unpublishTrack(track, true);
    }
  }

  toggleMicrophone(): Promise<void> {
    return this.switching('microphone', ({ localParticipant: me }) => me.setMicrophoneEnabled(!me.isMicrophoneEnabled));
  }

  setCamera(on: boolean): Promise<void> {
    return this.switching('camera', (room) => room.localParticipant.setCameraEnabled(on));
  }

  toggleScreen(): Promise<void> {
    return this.switching('screen', ({ localParticipant: me }) => me.setScreenShareEnabled(!me.isScreenShareEnabled, { audio: true }));
  }

  /** Changes between front and back camera, or to the next camera where they face nowhere. `cameras` are device ids. */
  flipCamera(cameras: readonly string[]): Promise<void> {
    return this.switching('camera', async (room) => {
      const track = this.camera();
      if (!track) return;
      const now = track.mediaStreamTrack.getSettings();
      if (now.facingMode) {
        const facingMode = now.facingMode === 'environment' ? 'user' : 'environment';
        await track.restartTrack({ ...captureOptions(this.capture), facingMode });
        return;
      }
      const next = cameras[(cameras.indexOf(now.deviceId ?? '') + 1) % cameras.length];
      if (next) await room.switchActiveDevice('videoinput', next);
    });
  }

  /** Changes how large one's own picture is sent. */
  setSending(sending: Sending): void {
    this.sending = sending;
    this.choices.set('sending', sending);
    this.resend();
  }

  /** Sends the own picture small, or as large as chosen again. */
  setSmall(small: boolean): void {
    this.small = small;
    this.resend();
  }

  /** One's own camera as the browser has it; undefined while it is off. */
  get cameraTrack(): MediaStreamTrack | undefined {
    const track = this.camera();
    return track && !track.isMuted ? track.mediaStreamTrack : undefined;
  }

  /** Blurs the background of one's own picture, or no longer. Throws where the browser did not do it. */
  async setBlur(on: boolean): Promise<void> {
    const track = this.camera();
    if (!track || !this.room) return;
    await setBlur(track.mediaStreamTrack, on);
    this.choices.set('blur', String(on));
    this.remember(this.room, track);
    this.hearer.changed();
  }

  /** Changes to another device during the call. */
  async useDevice(kind: DeviceKind, deviceId: string): Promise<void> {
    try {
      await this.room?.switchActiveDevice(kind, deviceId);
    } catch (error) {
      const input = ({ audioinput: 'microphone', videoinput: 'camera', audiooutput: 'speaker' } as const)[kind];
      this.hearer.tell({ kind: 'device-problem', input, problem: problemOf(error) });
    }
    this.hearer.changed();
  }

  activeDevice(kind: DeviceKind): string | undefined {
    return this.room?.getActiveDevice(kind);
  }

  private async switching(input: Input, act: (room: Room, lib: LiveKit) => Promise<unknown>): Promise<void> {
    const { room, lib } = this;
    if (!room || !lib || this.busy.has(input)) return;
    this.busy.add(input);
    this.hearer.changed();
    try {
      await act(room, lib);
    } catch (error) {
      const problem = problemOf(error);
      // Closing the browser's own screen chooser is a decision, not a fault.
      if (!(input === 'screen' && problem === 'denied')) this.hearer.tell({ kind: 'device-problem', input, problem });
    } finally {
      this.busy.delete(input);
      this.hearer.changed();
      if (input === 'camera') this.resend();
    }
  }

  private get capture(): Capture {
    return { sending: this.small ? 'low' : this.sending, blur: wantedBlur(this.choices) };
  }

  /** Blurring is a wish that a camera may not be able to meet: who relies on it is told. */
  private checkBlur(track: MediaStreamTrack): void {
    if (wantedBlur(this.choices) && track.getSettings().backgroundBlur !== true) this.hearer.tell({ kind: 'not-blurred' });
  }

  private camera(): LocalVideoTrack | undefined {
    const { room, lib } = this;
    return lib && room?.localParticipant.getTrackPublication(lib.Track.Source.Camera)?.videoTrack;
  }

  /** Lets the camera come back, after a pause or a reconnect, as it is wanted now. */
  private remember(room: Room, track: LocalVideoTrack | undefined): void {
    room.options.videoCaptureDefaults = { ...room.options.videoCaptureDefaults, ...captureOptions(this.capture) };
    if (track) Object.assign(track.constraints, captureConstraints(this.capture));
  }

  /**
   * Sends the own picture as it is wanted now. The layers that are told to the server follow from the camera's size when a
   * track is published, so it is published anew.
   */
  private resend(): void {
    this.hearer.changed();
    if (this.capture.sending === this.sentAs || !this.room || this.busy.has('camera')) return;
    this.sentAs = this.capture.sending;
    void this.switching('camera', async (room, lib) => {
      const track = this.camera();
      this.remember(room, track);
      if (!track) return;
      const me = room.localParticipant;
      if (track.isMuted) {
        await me.unpublishTrack(track, true);
        return;
      }
      await recapture(track.mediaStreamTrack, this.capture);
      await me.unpublishTrack(track, false);
      try {
        await me.publishTrack(track, { source: lib.Track.Source.Camera });
      } catch (error) {
        // Not sent, and shown as off: then it must not stay open.
        track.stop();
        throw error;
      }
    });
  }

  /** A device that is pulled out ends its track; livekit-client turns to another one, here it is only said. */
  private watchEnd({ source, track }: LocalTrackPublication, lib: LiveKit): void {
    const input = source === lib.Track.Source.Microphone ? 'microphone' : 'camera';
    if (input === 'camera' && source !== lib.Track.Source.Camera) return;
    if (!track || this.watched.has(track)) return;
    this.watched.add(track);
    track.on(lib.TrackEvent.Ended, () => {
      this.hearer.tell({ kind: 'device-lost', input });
      this.hearer.changed();
    });
    track.on(lib.TrackEvent.Restarted, () => {
      if (input === 'camera') this.checkBlur(track.mediaStreamTrack);
      this.hearer.changed();
    });
  }
}
