import { addressAt } from './address';

/** How a stretch of text is written. */
export type Style = 'strong' | 'em' | 'del';

/** A piece of a message as it is shown. Only `text` of it is what somebody wrote. */
export type Piece =
  | { kind: 'text' | 'code' | 'block'; text: string }
  | { kind: 'link'; text: string }
  | { kind: Style; pieces: Piece[] };

// The longer mark comes first: ** is no two of *.
const styles: readonly [string, Style][] = [
  ['**', 'strong'],
  ['~~', 'del'],
  ['*', 'em'],
  ['_', 'em'],
];
const fence = '```';
const inWord = /[\p{L}\p{N}]/u;
const space = /\s/;

/** Cuts a message into pieces: **strong**, *emphasis* or _emphasis_, ~~struck out~~, `code`, a block of it, and http(s) addresses. All else is text. */
export function markup(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (;;) {
    const begin = text.indexOf(fence, from);
    const end = begin < 0 ? -1 : text.indexOf(fence, begin + fence.length);
    if (end < 0) return [...pieces, ...inline(text.slice(from))];
    const code = text.slice(begin + fence.length, end).replace(/^[\w-]*\n|^\n/, '').replace(/\n$/, '');
    pieces.push(...inline(text.slice(from, begin)));
    if (code) pieces.push({ kind: 'block', text: code });
    from = end + fence.length;
    if (text[from] === '\n') from++; // a block begins a line of its own
  }
}

function inline(text: string): Piece[] {
  const pieces: Piece[] = [];
  const open: Open = new Map();
  let plain = '';
  const put = (piece: Piece): void => {
    if (plain) pieces.push({ kind: 'text', text: plain });
    plain = '';
    pieces.push(piece);
  };
  for (let at = 0; at < text.length; ) {
    const found = linkAt(text, at) ?? codeAt(text, at, open) ?? styledAt(text, at, open);
    if (found) put(found.piece);
    else plain += text.charAt(at);
    at = found?.end ?? at + 1;
  }
  if (plain) pieces.push({ kind: 'text', text: plain });
  return pieces;
}

/** Up to where a mark is known to close nowhere, so that a text of many open ones is not searched for each. */
type Open = Map<string, number>;

interface Found {
  piece: Piece;
  end: number;
}

function linkAt(text: string, at: number): Found | undefined {
  const address = addressAt(text, at);
  return address === undefined ? undefined : { piece: { kind: 'link', text: address }, end: at + address.length };
}

function codeAt(text: string, at: number, open: Open): Found | undefined {
  if (text[at] !== '`') return undefined;
  const end = closing(text, '`', at + 1, open, () => true);
  return end < 0 ? undefined : { piece: { kind: 'code', text: text.slice(at + 1, end) }, end: end + 1 };
}

/** Marks count at the edges of words, so that 2*3*4 and a_name_like_this stay as they are. None is found within its own kind. */
function styledAt(text: string, at: number, open: Open): Found | undefined {
  const style = styles.find(([mark]) => text.startsWith(mark, at));
  if (!style || inWord.test(text[at - 1] ?? '')) return undefined;
  const [mark, kind] = style;
  const begin = at + mark.length;
  const next = text[begin] ?? ' ';
  if (space.test(next) || next === mark[0]) return undefined;
  const end = closing(text, mark, begin, open, (i) => !space.test(text[i - 1] ?? ' ') && !inWord.test(text[i + mark.length] ?? ''));
  return end < 0 ? undefined : { piece: { kind, pieces: inline(text.slice(begin, end)) }, end: end + mark.length };
}

/** Where a mark closes on the same line; -1: nowhere. What fits depends on the place alone. */
function closing(text: string, mark: string, from: number, open: Open, fits: (at: number) => boolean): number {
  if ((open.get(mark) ?? 0) > from) return -1;
  const line = text.indexOf('\n', from);
  const last = line < 0 ? text.length : line;
  for (let at = text.indexOf(mark, from); at >= 0 && at < last; at = text.indexOf(mark, at + 1)) {
    const other = mark.length === 1 && (text[at + 1] === mark || text[at - 1] === mark); // of a longer mark
    if (!other && fits(at)) return at;
  }
  open.set(mark, last);
  return -1;
}
