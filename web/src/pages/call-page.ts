import '../elements/careline-call';
import type { Invitation } from '../core/token';
import { readFragment, writeFragment } from '../core/token';

const stored = 'careline.invitation';

/** The invitation in the address, else the one this tab had before a reload. */
function invitation(): Invitation | undefined {
  const given = readFragment(location.hash);
  try {
    if (given) sessionStorage.setItem(stored, JSON.stringify(given));
    const kept = sessionStorage.getItem(stored);
    return given ?? (kept ? (JSON.parse(kept) as Invitation) : undefined);
  } catch {
    // Without session storage a reload needs the link again.
    return given;
  }
}

/** Hands the invitation to the call and takes it out of the address bar, where it could be read or shared by mistake. */
function begin(): void {
  const call = document.querySelector('careline-call');
  const current = invitation();
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  if (!call || !current) return;
  const query = new URLSearchParams(location.search);
  call.options = { dualPeerConnection: query.get('pc') === 'dual' };
  const language = query.get('lang');
  if (language) call.lang = language;
  call.link = new URL(location.pathname + location.search + writeFragment(current), location.origin).href;
  call.name = current.name;
  call.token = current.token;
}

// A second link pasted into the same tab changes only the fragment.
addEventListener('hashchange', () => {
  if (readFragment(location.hash)) begin();
});
begin();
