const address = /https?:\/\/[^\s<>"]+/iy;
// Punctuation that ends a sentence, and marks around an address, are seldom part of it.
const trailing = /[.,;:!?)\]}'\u2019\u201d*~_`]+$/;
const longest = 2048; // characters

// URL.canParse is missing in browsers of phones that are still about.
function isAddress(text: string): boolean {
  try {
    return new URL(text).host !== '';
  } catch {
    return false;
  }
}

/** The http(s) address that begins at a place of a text; nothing else becomes a link. */
export function addressAt(text: string, at: number): string | undefined {
  if (text[at] !== 'h' && text[at] !== 'H') return undefined;
  address.lastIndex = at;
  const found = address.exec(text)?.[0] ?? '';
  if (!found || found.length > longest) return undefined;
  const trimmed = found.replace(trailing, '');
  return isAddress(trimmed) ? trimmed : undefined;
}
