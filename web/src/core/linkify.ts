export interface Piece {
  text: string;
  /** Set when the piece is an address that may be opened. */
  href?: string;
}

const address = /https?:\/\/[^\s<>"]+/gi;
// Punctuation that ends a sentence is seldom part of the address before it.
const trailing = /[.,;:!?)\]}'\u2019\u201d]+$/;

/** Cuts a message into plain text and http(s) addresses; nothing else becomes a link. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(address)) {
    const found = match[0].replace(trailing, '');
    if (!URL.canParse(found)) continue;
    if (match.index > from) pieces.push({ text: text.slice(from, match.index) });
    pieces.push({ text: found, href: found });
    from = match.index + found.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
}
