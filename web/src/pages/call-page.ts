import '../elements/careline-call';
import type { CarelineCall } from '../elements/careline-call';
import '../elements/invited';
import type { ClInvited } from '../elements/invited';
import { loadLanguage } from '../core/i18n';
import type { Place } from '../core/invite';
import { readInvite } from '../core/invite';
import type { Invitation } from '../core/token';
import { readFragment, writeFragment } from '../core/token';
import { keepLanguage, pageLanguage, speak } from './language';
import { keep, kept } from './tab';

const storedInvitation = 'careline.invitation';
const storedPlace = 'careline.place';

/** The place of a guest: of the link in the address, else the one that this tab had. */
function guest(): Place | undefined {
  const code = readInvite(location.hash);
  const known = kept(storedPlace) as Place | undefined;
  if (!code) return readFragment(location.hash) ? undefined : known;
  return known?.code === code ? known : { code, name: '', ticket: '' };
}

/** Lets a guest wait at the door until there is a token. */
async function receive(call: CarelineCall, place: Place): Promise<void> {
  document.querySelector('cl-invited')?.remove();
  keep(storedPlace, place);
  const door: ClInvited = document.createElement('cl-invited');
  door.i18n = await loadLanguage(pageLanguage());
  door.dir = door.i18n.dir;
  door.addEventListener('language-chosen', (event) => {
    call.lang = (event as CustomEvent<string>).detail;
    void loadLanguage(call.lang).then((i18n) => {
      door.i18n = i18n;
      door.dir = i18n.dir;
    });
  });
  door.place = place;
  door.addEventListener('kept', () => {
    keep(storedPlace, place);
  });
  door.addEventListener('admitted', (event) => {
    door.remove();
    call.hidden = false;
    call.name = place.name;
    call.token = (event as CustomEvent<string>).detail;
  });
  call.hidden = true;
  call.before(door);
}

/** Hands the invitation to the call and takes it out of the address bar, where it could be read or shared by mistake. */
function begin(): void {
  const call = document.querySelector('careline-call');
  const given = readFragment(location.hash);
  const place = guest();
  const query = new URLSearchParams(location.search);
  if (given) keep(storedInvitation, given);
  const current = given ?? (kept(storedInvitation) as Invitation | undefined);
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  if (!call) return;
  call.options = { dualPeerConnection: query.get('pc') === 'dual' };
  call.lang = pageLanguage();
  if (place) {
    call.link = new URL(`${location.pathname}${location.search}#invite=${place.code}`, location.origin).href;
    void receive(call, place);
    return;
  }
  if (!current) return;
  document.querySelector('cl-invited')?.remove();
  call.hidden = false;
  call.link = new URL(location.pathname + location.search + writeFragment(current), location.origin).href;
  call.name = current.name;
  call.token = current.token;
}

document.addEventListener('language-chosen', ({ detail }) => {
  keepLanguage(detail);
  void speak(detail, 'page.call');
});
void speak(pageLanguage(), 'page.call');

// A second link pasted into the same tab changes only the fragment.
addEventListener('hashchange', () => {
  if (readFragment(location.hash) ?? readInvite(location.hash)) begin();
});
begin();
