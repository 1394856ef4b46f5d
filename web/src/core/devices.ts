import { Observable } from './observable';

/** Why this page cannot take part at all, or not with sound and picture. */
export type Obstacle = 'no-webrtc' | 'insecure' | undefined;

/** What stands in the way of calls in this browser. */
export function obstacle(): Obstacle {
  if (typeof RTCPeerConnection === 'undefined' || typeof WebSocket === 'undefined') return 'no-webrtc';
  // Without TLS browsers hide mediaDevices; listening and writing still work.
  if (!isSecureContext || !('mediaDevices' in navigator)) return 'insecure';
  return undefined;
}

/** Why a device could not be opened. */
export type DeviceProblem = 'denied' | 'missing' | 'busy' | 'failed';

export function problemOf(error: unknown): DeviceProblem {
  const name = error instanceof Error || error instanceof DOMException ? error.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'PermissionDeniedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'DevicesNotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'NotReadableError':
    case 'TrackStartError':
    case 'AbortError':
      return 'busy';
    default:
      return 'failed';
  }
}

export type DeviceKind = 'audioinput' | 'videoinput' | 'audiooutput';

export interface Device {
  id: string;
  label: string;
}

/** What is remembered from visit to visit. */
export type Choice = DeviceKind | 'sending' | 'save-data' | 'blur' | 'language';

/** Remembers what was chosen; where storage is forbidden, only until the page is closed. */
export class Choices {
  private readonly chosen = new Map<Choice, string>();

  constructor(private readonly storage: Storage | undefined) {}

  get(what: Choice): string | undefined {
    try {
      return this.chosen.get(what) ?? this.storage?.getItem(`careline.${what}`) ?? undefined;
    } catch {
      return undefined;
    }
  }

  set(what: Choice, value: string): void {
    this.chosen.set(what, value);
    try {
      this.storage?.setItem(`careline.${what}`, value);
    } catch {
      // A full or forbidden storage only means that the next visit starts with the browser's defaults.
    }
  }
}

export function localChoices(): Choices {
  try {
    return new Choices(localStorage);
  } catch {
    return new Choices(undefined);
  }
}

/** The devices of this machine, kept current while they come and go. */
export class DeviceList extends Observable {
  private devices: readonly MediaDeviceInfo[] = [];
  private readonly refreshed = (): void => void this.refresh();

  constructor(private readonly media: MediaDevices | undefined) {
    super();
  }

  start(): void {
    this.media?.addEventListener('devicechange', this.refreshed);
    void this.refresh();
  }

  stop(): void {
    this.media?.removeEventListener('devicechange', this.refreshed);
  }

  async refresh(): Promise<void> {
    try {
      this.devices = (await this.media?.enumerateDevices()) ?? [];
    } catch {
      this.devices = [];
    }
    this.changed();
  }

  /** Devices of one kind, without those whose id the browser still hides. */
  of(kind: DeviceKind): Device[] {
    return this.devices.filter((d) => d.kind === kind && d.deviceId !== '').map((d) => ({ id: d.deviceId, label: d.label }));
  }

  /** Whether there is any device of the kind, named or not. */
  any(kind: DeviceKind): boolean {
    return this.devices.some((d) => d.kind === kind);
  }
}

/** Whether sound can be sent to a chosen device. */
export function canChooseSpeaker(): boolean {
  return typeof Audio !== 'undefined' && 'setSinkId' in Audio.prototype;
}
