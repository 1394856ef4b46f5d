import { css, unsafeCSS } from 'lit';
import tokensText from '../tokens.css?inline';

/** The roles and their values, for the outermost element only: inner ones inherit them. */
export const tokens = unsafeCSS(tokensText);

/** What every element of the page shares: box, type, focus, buttons, fields. */
export const base = css`
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  :host {
    font-family: var(--_font);
    font-size: var(--_body);
    line-height: 1.5;
    color: var(--_text);
  }
  :host([hidden]),
  [hidden] {
    display: none !important;
  }
  h1,
  h2,
  h3,
  p,
  ul,
  ol {
    margin: 0;
    padding: 0;
  }
  ul,
  ol {
    list-style: none;
  }
  h1 {
    font-size: var(--_title);
    line-height: 1.25;
    font-weight: 650;
    text-wrap: balance;
  }
  h2 {
    font-size: var(--_lead);
    line-height: 1.3;
    font-weight: 650;
  }
  :focus-visible {
    outline: 3px solid var(--_accent);
    outline-offset: 2px;
  }
  cl-icon[directional]:dir(rtl) {
    transform: scaleX(-1);
  }
  .quiet {
    color: var(--_muted);
  }
  .unseen {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
`;

export const buttons = css`
  button,
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 8px;
    min-block-size: 44px;
    min-inline-size: 44px;
    padding: 8px 16px;
    border: 1px solid var(--_control-line);
    border-radius: var(--_radius);
    background: var(--_raised);
    color: var(--_text);
    font: inherit;
    font-weight: 550;
    text-align: center;
    text-decoration: none;
    cursor: pointer;
  }
  button:hover,
  .button:hover {
    background: var(--_sunken);
  }
  button.primary {
    border-color: transparent;
    background: var(--_accent);
    color: var(--_on-accent);
  }
  button.danger {
    border-color: transparent;
    background: var(--_danger);
    color: var(--_on-danger);
  }
  button.primary:hover,
  button.danger:hover {
    filter: brightness(1.08);
  }
  button.plain {
    border-color: transparent;
    background: transparent;
  }
  button.plain:hover {
    background: var(--_sunken);
  }
  button:disabled,
  button[aria-disabled='true'] {
    cursor: default;
    opacity: 0.6;
  }
`;

export const dialogs = css`
  dialog {
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_raised);
    color: var(--_text);
    box-shadow: var(--_shadow);
  }
  dialog::backdrop {
    background: rgb(10 15 20 / 70%);
  }
`;

/** An element that is the whole page. */
export const whole = css`
  :host {
    display: block;
    block-size: 100%;
    overflow: auto;
    background: var(--_surface);
  }
`;

export const fields = css`
  label {
    display: block;
    font-weight: 550;
  }
  select,
  input,
  textarea {
    inline-size: 100%;
    min-inline-size: 0;
    min-block-size: 44px;
    padding: 8px 12px;
    border: 1px solid var(--_control-line);
    border-radius: var(--_radius);
    background: var(--_raised);
    color: var(--_text);
    font: inherit;
  }
  select {
    text-overflow: ellipsis;
  }
`;
