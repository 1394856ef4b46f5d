import { css } from 'lit';

/** The look of a thread around its messages. */
export const threadStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    min-block-size: 0;
    block-size: 100%;
    container-type: inline-size;
  }
  .tools {
    display: flex;
    justify-content: end;
    padding: 0 4px;
  }
  .scene {
    position: relative;
    flex: 1;
    display: flex;
    flex-direction: column;
    min-block-size: 6rem;
  }
  .log {
    flex: 1;
    min-block-size: 0;
    overflow-y: auto;
    overflow-anchor: none;
    overscroll-behavior: contain;
    padding: 12px 16px;
  }
  li + li {
    margin-block-start: 12px;
  }
  li.own {
    padding-inline-start: 32px;
  }
  li[part='message']:not(.own) {
    padding-inline-end: 32px;
  }
  li.found {
    border-radius: var(--_radius);
    outline: 2px solid var(--_accent);
    outline-offset: 4px;
  }
  .day,
  .line {
    display: flex;
    align-items: center;
    gap: 8px;
    font-size: var(--_small);
    color: var(--_muted);
  }
  .day {
    justify-content: center;
  }
  .line {
    color: var(--_danger);
    font-weight: 600;
  }
  .line::before,
  .line::after {
    content: '';
    flex: 1;
    border-block-start: 1px solid currentColor;
  }
  .more {
    text-align: center;
    margin-block: 8px;
  }
  .jump {
    position: absolute;
    inset-block-end: 8px;
    inset-inline: 0;
    inline-size: fit-content;
    margin-inline: auto;
    box-shadow: var(--_shadow);
  }
  .jump.above {
    inset-block: 8px auto;
  }
  .typing,
  .problem {
    padding-inline: 16px;
    font-size: var(--_small);
  }
  .typing {
    min-block-size: 1.5rem;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    color: var(--_muted);
  }
  .problem {
    color: var(--_danger);
  }
  .problem:empty {
    display: none;
  }
  .note,
  .loading {
    padding: 12px 16px;
  }
  .note {
    border-block-start: 1px solid var(--_line);
  }
`;
