import type { Trouble } from './client';
import type { DeviceProblem } from './devices';

/** Something that happened in a call and is said once, by name of its text. */
export type Notice =
  | { kind: 'joined' | 'left' | 'hand'; name: string }
  | { kind: 'device-problem'; input: 'microphone' | 'camera' | 'screen' | 'speaker'; problem: DeviceProblem }
  | { kind: 'device-lost'; input: 'microphone' | 'camera' }
  | { kind: 'not-blurred' }
  | { kind: 'muted'; input: 'microphone' | 'camera' }
  | { kind: 'refused'; trouble: Trouble }
  | { kind: 'may-not-publish' | 'let-speak' | 'silenced' };
