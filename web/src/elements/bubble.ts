import { css, html } from 'lit';
import type { Piece } from '../core/markup';
import { markup } from '../core/markup';

/** What all messages look like, kept or not. */
export const bubble = css`
  .head {
    display: flex;
    flex-wrap: wrap;
    gap: 0 8px;
    align-items: baseline;
    font-size: var(--_small);
  }
  .head bdi {
    font-weight: 600;
    overflow-wrap: anywhere;
  }
  time {
    flex: none;
    color: var(--_muted);
    font-variant-numeric: tabular-nums;
  }
  .text {
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .text a {
    color: var(--_accent);
  }
  .text code {
    font-family: ui-monospace, monospace;
    font-size: 0.9em;
  }
  .text code.block {
    display: block;
    margin-block: 4px;
    padding: 8px;
    overflow-x: auto;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    white-space: pre;
    overflow-wrap: normal;
  }
  .body {
    inline-size: fit-content;
    max-inline-size: 100%;
    padding: 8px 12px;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
  }
  .own .body {
    border-color: transparent;
    background: var(--_sunken);
  }
`;

/** Who wrote a message, and when. */
export function head(name: string, at: Date, time: string) {
  return html`<bdi>${name}</bdi><time datetime=${at.toISOString()}>${time}</time>`;
}

/** What somebody wrote, with its marks and addresses shown. */
export const words = (text: string) => html`<p class="text" dir="auto">${markup(text).map(shown)}</p>`;

function shown(piece: Piece): unknown {
  switch (piece.kind) {
    case 'text':
      return piece.text;
    case 'link':
      return html`<a href=${piece.text} target="_blank" rel="noopener noreferrer nofollow">${piece.text}</a>`;
    case 'code':
      return html`<code dir="ltr">${piece.text}</code>`;
    case 'block':
      return html`<code class="block" dir="ltr" tabindex="0">${piece.text}</code>`;
    case 'strong':
      return html`<strong>${piece.pieces.map(shown)}</strong>`;
    case 'em':
      return html`<em>${piece.pieces.map(shown)}</em>`;
    case 'del':
      return html`<del>${piece.pieces.map(shown)}</del>`;
  }
}
