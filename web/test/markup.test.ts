import { describe, expect, it } from 'vitest';
import type { Piece } from '../src/core/markup';
import { markup } from '../src/core/markup';

/** Pieces as short texts: what is in brackets is styled as the word before them says. */
const brief = (pieces: Piece[]): string =>
  pieces.map((p) => (p.kind === 'text' ? p.text : `${p.kind}(${'pieces' in p ? brief(p.pieces) : p.text})`)).join('');

describe('markup', () => {
  it.each([
    ['**now** or *never*', 'strong(now) or em(never)'],
    ['_softly_ and ~~not~~', 'em(softly) and del(not)'],
    ['**gate *B12* now**', 'strong(gate em(B12) now)'],
    ['**a ~~b *c _d_* e~~ f**', 'strong(a del(b em(c em(d)) e) f)'],
    ['*one* **two *three** four*', 'em(one) strong(two *three) four*'],
    ['run `a * b * c`!', 'run code(a * b * c)!'],
    ['(*see*), "**this**".', '(em(see)), "strong(this)".'],
    ['before\n```sh\nls *.txt\n```\nafter', 'before\nblock(ls *.txt)after'],
    ['```one line```', 'block(one line)'],
    ['**مهم** جدا', 'strong(مهم) جدا'],
    ['*重要*です', '*重要*です'], // it ends in the middle of a word
    ['**see https://example.org/a_b_c**', 'strong(see link(https://example.org/a_b_c))'],
    ['See https://example.org/a?b=1. Or (http://example.org)!', 'See link(https://example.org/a?b=1). Or (link(http://example.org))!'],
  ])('shows %j', (text, want) => {
    expect(brief(markup(text))).toBe(want);
  });

  it.each([
    '2*3*4 = 24',
    'a_name_like_this and __init__',
    '5 * 3 * 2',
    '*.txt and *.md',
    '**',
    '****',
    '` `` ```',
    '*not\nover lines*',
    '``` never closed',
    '<b>no</b> &amp; [no](javascript:alert(1))',
    'javascript:alert(1)',
    'data:text/html,x',
    'https://',
    'http:// x',
    '\u202ertl\u202c \u200b e\u0301',
    '',
  ])('leaves %j as it is', (text) => {
    expect(markup(text)).toEqual(text ? [{ kind: 'text', text }] : []);
  });

  it('finds the end of a long one, and begins anew after a line without one', () => {
    const long = 'word '.repeat(1500).trim();
    expect(brief(markup(`*open *open\n*${long}* \`open\n\`${long}\``))).toBe(`*open *open\nem(${long}) \`open\ncode(${long})`);
  });
});
