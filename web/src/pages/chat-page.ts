import '../elements/careline-chat';
import { readFragment } from '../core/token';
import { keepLanguage, pageLanguage, speak } from './language';
import { keep, kept } from './tab';

const storedToken = 'careline.chat';

/** What a link to a conversation says. */
interface Opening {
  token: string;
  /** Empty: the token says it. */
  conversation: string;
}

/** Hands the token to the conversation and takes it out of the address bar, where it could be read or shared by mistake. */
function begin(): void {
  const chat = document.querySelector('careline-chat');
  const given = readFragment(location.hash);
  const conversation = new URLSearchParams(location.search).get('conversation') ?? '';
  if (given) keep(storedToken, { token: given.token, conversation } satisfies Opening);
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  const current = kept(storedToken) as Opening | undefined;
  if (!chat) return;
  chat.lang = pageLanguage();
  chat.conversation = conversation || (current?.conversation ?? '');
  chat.token = given?.token ?? current?.token ?? '';
}

document.addEventListener('language-chosen', ({ detail }) => {
  keepLanguage(detail);
  void speak(detail, 'page.chat');
});
void speak(pageLanguage(), 'page.chat');

// A second link pasted into the same tab changes only the fragment.
addEventListener('hashchange', () => {
  if (readFragment(location.hash)) begin();
});
begin();
