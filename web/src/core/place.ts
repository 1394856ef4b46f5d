import type { Participant } from 'livekit-client';

/** What somebody is in a call, as the server says in a participant attribute. */
export type Role = 'party' | 'host' | 'operator' | 'guest' | 'speaker' | 'viewer';
export type CallKind = 'direct' | 'conference' | 'broadcast';

/** moderate: mute, let speak, admit, invite; manage: lock, remove, ban; end: for everybody. */
export type Ability = 'moderate' | 'manage' | 'end';

// The server holds everybody to these; here they only decide which buttons there are.
const abilities: Record<Role, readonly Ability[]> = {
  party: ['end'],
  host: ['moderate', 'manage', 'end'],
  operator: ['moderate'],
  guest: [],
  speaker: [],
  viewer: [],
};

export function may(role: Role | undefined, ability: Ability): boolean {
  return role !== undefined && abilities[role].includes(ability);
}

/** The role of a participant; undefined in rooms that are no calls. */
export function roleOf(participant: Participant): Role | undefined {
  const role = participant.attributes['careline.role'];
  return role !== undefined && Object.hasOwn(abilities, role) ? (role as Role) : undefined;
}

/** When a participant raised its hand, in milliseconds since 1970; undefined while the hand is down. */
export function handOf(participant: Participant): number | undefined {
  const hand = participant.attributes['careline.hand'];
  if (!hand) return undefined;
  const at = Date.parse(hand);
  // Other clients may set anything: they come after those whose time is known.
  return Number.isNaN(at) ? Number.MAX_SAFE_INTEGER : at;
}

/** What a call's room says about it. */
export interface CallFacts {
  id: string;
  kind: CallKind;
  title: string;
}

/** Reads the metadata of a room; undefined where it is not that of a call. */
export function factsOf(metadata: string | undefined): CallFacts | undefined {
  try {
    const { careline } = JSON.parse(metadata ?? '') as { careline?: { call?: unknown; kind?: unknown; title?: unknown } };
    const kind = careline?.kind;
    if (typeof careline?.call !== 'string' || (kind !== 'direct' && kind !== 'conference' && kind !== 'broadcast')) return undefined;
    return { id: careline.call, kind, title: typeof careline.title === 'string' ? careline.title : '' };
  } catch {
    return undefined;
  }
}

/** What somebody may send. */
export interface Rights {
  microphone: boolean;
  camera: boolean;
  screen: boolean;
}

export const allRights: Rights = { microphone: true, camera: true, screen: true };

// livekit.TrackSource by number: the library itself loads at the first call.
const sources = { camera: 1, microphone: 2, screen: 3 };

export function rightsOf(permission: Participant['permissions']): Rights {
  if (!permission) return allRights;
  const allowed = permission.canPublishSources as number[];
  const right = (source: keyof typeof sources): boolean => permission.canPublish && (allowed.length === 0 || allowed.includes(sources[source]));
  return { microphone: right('microphone'), camera: right('camera'), screen: right('screen') };
}

/** Whether there is anything that somebody may send. */
export function maySend(rights: Rights): boolean {
  return rights.microphone || rights.camera || rights.screen;
}
