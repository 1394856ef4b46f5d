import { css, html } from 'lit';
import { lengthOf, longestMessage } from '../core/chat';
import type { I18n } from '../core/i18n';

/** What happens in the field. */
export interface FieldEvents {
  key: (event: KeyboardEvent) => void;
  typed: () => void;
  pasted?: (event: ClipboardEvent) => void;
}

export const messageField = css`
  textarea {
    flex: 1 1 0;
    resize: none;
    field-sizing: content;
    max-block-size: 8rem;
  }
  .problem {
    color: var(--_danger);
    font-size: var(--_small);
  }
  .problem:empty {
    display: none;
  }
`;

/** The field to write a message in. What is wrong with it stands under the id `problem`. */
export function fieldOf(i18n: I18n, { key, typed, pasted }: FieldEvents) {
  return html`<label class="unseen" for="message">${i18n.t('chat.message')}</label>
    <textarea
      id="message"
      rows="1"
      enterkeyhint="send"
      placeholder=${i18n.t('chat.placeholder')}
      aria-describedby="problem"
      @keydown=${key}
      @input=${typed}
      @paste=${pasted}
    ></textarea>`;
}

/** Whether a key sends what is written. */
export function sends(event: KeyboardEvent): boolean {
  return event.key === 'Enter' && !event.shiftKey && !event.isComposing;
}

/** Why a text cannot be sent; empty: it can. */
export function tooLong(text: string, i18n: I18n): string {
  const excess = lengthOf(text.trim()) - longestMessage;
  return excess > 0 ? i18n.t('chat.tooLong', { count: excess }) : '';
}
