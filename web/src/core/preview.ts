import { setBlur, wantedBlur } from './blur';
import type { Choices, DeviceProblem } from './devices';
import { problemOf } from './devices';
import { Observable } from './observable';

/** One device of the preview: wanted or not, open or with the reason why not. */
export interface Capture {
  wanted: boolean;
  track: MediaStreamTrack | undefined;
  problem: DeviceProblem | undefined;
}

/** What the preview hands to the call. */
export interface JoinMedia {
  microphone: MediaStreamTrack | undefined;
  camera: MediaStreamTrack | undefined;
  speaker: string | undefined;
}

type Input = 'microphone' | 'camera';
const kindOf = { microphone: 'audioinput', camera: 'videoinput' } as const;

const pictureSize = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: 'user' };

/** Opens camera and microphone before a call. Each can be refused alone; neither is needed. */
export class Preview extends Observable {
  /** idle: nothing asked yet; asking: the browser shows its question; done: each device is open or has its problem. */
  phase: 'idle' | 'asking' | 'done' = 'idle';
  microphone: Capture = { wanted: true, track: undefined, problem: undefined };
  camera: Capture = { wanted: true, track: undefined, problem: undefined };
  speaker: string | undefined;

  private stopped = false;

  constructor(
    private readonly media: MediaDevices | undefined,
    private readonly permissions: Permissions | undefined,
    private readonly choices: Choices,
  ) {
    super();
    this.speaker = choices.get('audiooutput');
  }

  /** Opens at once what was allowed on an earlier visit; the first time the reader is told before the browser asks. */
  async begin(): Promise<void> {
    const states = await Promise.all([this.permission('microphone'), this.permission('camera')]);
    if (states.every((s) => s !== 'prompt') && !this.stopped) await this.open();
  }

  /** Asks for both devices in one question; when that fails, for each alone, so that one refusal does not cost both. */
  async open(): Promise<void> {
    if (!this.media || this.phase === 'asking') return;
    this.phase = 'asking';
    this.changed();
    const wanted = (['microphone', 'camera'] as const).filter((input) => this[input].wanted && !this[input].track);
    try {
      if (wanted.length === 2) {
        const stream = await this.media.getUserMedia({ audio: this.constraints('microphone'), video: this.constraints('camera') });
        this.keep('microphone', stream.getAudioTracks()[0]);
        this.keep('camera', stream.getVideoTracks()[0]);
      } else {
        for (const input of wanted) await this.openOne(input);
      }
    } catch {
      for (const input of wanted) await this.openOne(input);
    }
    this.phase = 'done';
    this.changed();
  }

  /** Turns one device on or off. */
  async toggle(input: Input): Promise<void> {
    const capture = this[input];
    if (capture.track) {
      capture.track.stop();
      this[input] = { wanted: false, track: undefined, problem: undefined };
      this.changed();
      return;
    }
    this[input] = { ...capture, wanted: true };
    if (this.phase === 'idle') await this.open();
    else await this.openOne(input);
  }

  /** Changes to another device of the kind. */
  async choose(input: Input, deviceId: string): Promise<void> {
    this.choices.set(kindOf[input], deviceId);
    this[input].track?.stop();
    this[input] = { wanted: true, track: undefined, problem: undefined };
    await this.openOne(input, deviceId);
  }

  /** Blurs the background of the picture, or no longer. Throws where the browser did not do it. */
  async setBlur(on: boolean): Promise<void> {
    if (!this.camera.track) return;
    await setBlur(this.camera.track, on);
    this.choices.set('blur', String(on));
    this.changed();
  }

  chooseSpeaker(deviceId: string): void {
    this.choices.set('audiooutput', deviceId);
    this.speaker = deviceId;
    this.changed();
  }

  /** Hands the open tracks over; afterwards they belong to the caller. */
  take(): JoinMedia {
    const media = { microphone: this.microphone.track, camera: this.camera.track, speaker: this.speaker };
    this.microphone = { ...this.microphone, track: undefined };
    this.camera = { ...this.camera, track: undefined };
    this.stopped = true;
    return media;
  }

  /** Closes what is still open. */
  stop(): void {
    this.stopped = true;
    for (const input of ['microphone', 'camera'] as const) {
      this[input].track?.stop();
      this[input] = { ...this[input], track: undefined };
    }
    this.changed();
  }

  /** `exactly` is a device just chosen; a favourite of an earlier visit may be unplugged and falls back to another one. */
  private constraints(input: Input, exactly?: string): MediaTrackConstraints {
    const chosen = exactly ?? this.choices.get(kindOf[input]);
    const device = chosen ? { deviceId: exactly ? { exact: chosen } : { ideal: chosen } } : {};
    if (input === 'microphone') return { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...device };
    const blur = wantedBlur(this.choices);
    const background = blur === undefined ? {} : { backgroundBlur: blur };
    return chosen ? { width: pictureSize.width, height: pictureSize.height, ...background, ...device } : { ...pictureSize, ...background };
  }

  private async openOne(input: Input, exactly?: string): Promise<void> {
    try {
      const stream = await this.media?.getUserMedia({ [input === 'camera' ? 'video' : 'audio']: this.constraints(input, exactly) });
      this.keep(input, stream?.getTracks()[0]);
    } catch (error) {
      this[input] = { ...this[input], track: undefined, problem: problemOf(error) };
    }
    this.changed();
  }

  private keep(input: Input, track: MediaStreamTrack | undefined): void {
    if (this.stopped || !track) {
      track?.stop();
      return;
    }
    this[input] = { wanted: true, track, problem: undefined };
    track.addEventListener('ended', () => {
      if (this[input].track !== track) return;
      this[input] = { wanted: true, track: undefined, problem: 'missing' };
      this.changed();
    });
    this.changed();
  }

  private async permission(name: Input): Promise<PermissionState> {
    try {
      return (await this.permissions?.query({ name }))?.state ?? 'prompt';
    } catch {
      return 'prompt';
    }
  }
}
