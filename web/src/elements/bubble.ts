import { css, html } from 'lit';
import { linkify } from '../core/linkify';

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

/** What somebody wrote, with its addresses as links. */
export function words(text: string) {
  return html`<p class="text" dir="auto">${linkify(text).map((piece) =>
    piece.href ? html`<a href=${piece.href} target="_blank" rel="noopener noreferrer nofollow">${piece.text}</a>` : piece.text,
  )}</p>`;
}
