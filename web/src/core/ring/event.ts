import type { Envelope } from '../thread/live';

/** What the log says about a call. */
export interface CallEvent {
  type: string;
  call: string;
  caller: string;
  /** For whom it rings. */
  people: readonly string[];
  /** Who answered, or is not called any more. */
  who: readonly string[];
  /** How many milliseconds it rings. */
  rings: number;
  /** Why it ended. */
  reason: string;
}

/** Whether an envelope is about a call. */
export function isCallEvent({ type }: Envelope): boolean {
  return type.startsWith('call.');
}

/** Reads what is said about a call; undefined when it is about something else. */
export function callEvent(envelope: Envelope): CallEvent | undefined {
  const data = (envelope.data ?? {}) as Partial<Record<string, unknown>>;
  const call = text(data['call_id']);
  if (!isCallEvent(envelope) || !call) return undefined;
  return {
    type: envelope.type,
    call,
    caller: text(data['caller']),
    people: texts(data['people']),
    who: texts(data['who']),
    rings: Math.max(0, Date.parse(text(data['until'])) - Date.parse(envelope.at ?? '') || 0),
    reason: text(data['reason']),
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((v) => typeof v === 'string') : []);
