import type { Schemas } from './client';
import type { EndingKind } from './ending';
import { refusalOf } from './ending';

/** Why a guest is not let in, beside the rules of the call. */
export type Obstacle = 'invalid' | 'closed' | 'turned-away' | 'unreachable';

/** How far a guest has come by a link. */
export type Entry =
  | { state: 'admitted'; token: string }
  | { state: 'waiting' }
  | { state: 'refused'; reason: Obstacle }
  | { state: 'forbidden'; ending: EndingKind };

/** How the server answers who asks for a place. */
type Answer = Partial<Schemas['Entry']>;

/** What a guest keeps: with the ticket the same place is found again after a reload. */
export interface Place {
  code: string;
  name: string;
  ticket: string;
}

/** Reads `#invite=...`; undefined when there is none. */
export function readInvite(fragment: string): string | undefined {
  return new URLSearchParams(fragment.replace(/^#/, '')).get('invite') ?? undefined;
}

/** Asks for a place, or how it stands with the one that the guest has. The ticket is written into `place`. */
export async function enter(place: Place, send: typeof fetch = fetch): Promise<Entry> {
  let response: Response;
  let detail = '';
  try {
    response = await send('/v1/invites/join', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ code: place.code, ...(place.ticket ? { ticket: place.ticket } : {}), ...(place.name ? { name: place.name } : {}) }),
    });
    if (response.ok) {
      const answer = (await response.json()) as Answer;
      if (answer.ticket) place.ticket = answer.ticket;
      if (answer.status === 'waiting') return { state: 'waiting' };
      if (answer.joining) return { state: 'admitted', token: answer.joining.token };
    } else {
      const problem = (await response.json().catch(() => ({}))) as Partial<Schemas['Problem']>;
      detail = problem.detail ?? '';
    }
  } catch {
    return { state: 'refused', reason: 'unreachable' };
  }
  if (response.status === 403) {
    const ending = refusalOf(detail);
    return ending ? { state: 'forbidden', ending } : { state: 'refused', reason: 'closed' };
  }
  // Whoever had a place and has none any more was sent away from the door.
  if (response.status === 404 && place.ticket) return { state: 'refused', reason: 'turned-away' };
  if (response.status === 404 || response.status === 422) return { state: 'refused', reason: 'invalid' };
  return { state: 'refused', reason: 'unreachable' };
}
