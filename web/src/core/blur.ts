import type { Choices } from './devices';

/**
 * Why the background cannot be blurred here: no camera is open; the browser has no such thing; the system or camera does not
 * offer it; or it is decided in the system's own settings.
 */
export type BlurObstacle = 'no-camera' | 'browser' | 'camera' | 'always-on' | 'always-off';

export interface Blur {
  on: boolean;
  /** Undefined where it can be switched. */
  obstacle: BlurObstacle | undefined;
}

/** What the browser can do about the background behind the given camera. `known` are the constraints it knows at all. */
export function blurOf(track: MediaStreamTrack | undefined, known: MediaTrackSupportedConstraints): Blur {
  if (!known.backgroundBlur) return { on: false, obstacle: 'browser' };
  if (!track) return { on: false, obstacle: 'no-camera' };
  // Older browsers lack the method.
  const able = 'getCapabilities' in track ? track.getCapabilities().backgroundBlur : undefined;
  if (!able || able.length === 0) return { on: false, obstacle: 'camera' };
  const on = track.getSettings().backgroundBlur === true;
  if (able.includes(true) && able.includes(false)) return { on, obstacle: undefined };
  return able.includes(true) ? { on: true, obstacle: 'always-on' } : { on: false, obstacle: 'always-off' };
}

/** Switches blurring on or off and keeps what else was asked of the camera. Throws where the browser did not do it. */
export async function setBlur(track: MediaStreamTrack, on: boolean): Promise<void> {
  await track.applyConstraints({ ...track.getConstraints(), backgroundBlur: { exact: on } });
}

/** What was chosen on this or an earlier visit; undefined leaves it to the system. */
export function wantedBlur(choices: Choices): boolean | undefined {
  const chosen = choices.get('blur');
  return chosen === undefined ? undefined : chosen === 'true';
}
