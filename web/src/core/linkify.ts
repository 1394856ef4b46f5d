export interface Piece {
  text: string;
  /** Set when the piece is an address that may be opened. */
  href?: string;
}

const address = /https?:\/\/[^\s<>"]+/gi;
// Punctuation that ends a sentence is seldom part of the address before it.
const trailing = /[.,;:!?)\]}'\u2019\u201d]+$/;

// URL.canParse is missing in browsers of phones that are still about.
function isAddress(text: string): boolean {
  try {
    return new URL(text).host !== '';
  } catch {
    return false;
  }
}

/** Cuts a message into plain text and http(s) addresses; nothing else becomes a link. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(address)) {
    const found = match[0].replace(trailing, '');
    if (!isAddress(found)) continue;
    if (match.index > from) pieces.push({ text: text.slice(from, match.index) });
    pieces.push({ text: found, href: found });
    from = match.index + found.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
}
