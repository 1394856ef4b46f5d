import { localChoices } from '../core/devices';
import type { TextKey } from '../core/i18n';
import { availableLanguage, loadLanguage } from '../core/i18n';

const choices = localChoices();

/** The language of this page: of its address (`?lang=`), else one chosen on an earlier visit, else the browser's. */
export function pageLanguage(): string {
  const asked = new URLSearchParams(location.search).get('lang');
  const chosen = choices.get('language');
  return availableLanguage([asked, chosen, ...navigator.languages].filter((l) => typeof l === 'string'));
}

/** Tells browser and screen reader which language the page is in, and names the page in it. */
export async function speak(lang: string, title: TextKey): Promise<void> {
  const i18n = await loadLanguage(lang);
  document.documentElement.lang = i18n.lang;
  document.documentElement.dir = i18n.dir;
  document.title = `${i18n.t(title)} - Careline`;
}

/** Keeps a choice for later visits, and for a reload where the address names another language. */
export function keepLanguage(lang: string): void {
  choices.set('language', lang);
  const url = new URL(location.href);
  if (!url.searchParams.has('lang')) return;
  url.searchParams.set('lang', lang);
  history.replaceState(null, '', url);
}

declare global {
  interface DocumentEventMap {
    'language-chosen': CustomEvent<string>;
  }
}
