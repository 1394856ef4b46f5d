import { LitElement, css, html } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { live } from 'lit/directives/live.js';
import { SlidersHorizontal } from 'lucide';
import type { I18n } from '../core/i18n';
import type { PictureChoice } from '../core/people';
import './icon';
import { base } from './styles';

const choices: readonly PictureChoice[] = ['auto', 'high', 'medium', 'low', 'paused'];

/** A small button on a picture that chooses how large it arrives. Fires `choice` with what was chosen. */
@customElement('cl-picture-choice')
export class ClPictureChoice extends LitElement {
  static override styles = [
    base,
    css`
      :host {
        display: block;
      }
      .pick {
        position: relative;
        display: inline-flex;
        align-items: center;
        justify-content: center;
        gap: 6px;
        min-inline-size: 44px;
        min-block-size: 44px;
        padding-inline: 10px;
        border-radius: 8px;
        background: var(--_label);
        color: var(--_on-stage);
        font-size: var(--_small);
      }
      .pick:hover {
        background: var(--_stage);
      }
      .pick:focus-within {
        outline: 3px solid var(--_on-stage);
        outline-offset: -3px;
      }
      /* The browser's own list, which phones, keyboards and screen readers know, under the looks of the button. */
      select {
        position: absolute;
        inset: 0;
        inline-size: 100%;
        block-size: 100%;
        margin: 0;
        padding: 0;
        border: 0;
        opacity: 0;
        font: inherit;
        cursor: pointer;
      }
      option {
        color: var(--_text);
        background: var(--_raised);
      }
      @container (max-width: 180px) {
        .word {
          display: none;
        }
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  /** What the choice is about, in words. */
  @property() label = '';
  @property() choice: PictureChoice = 'auto';

  override render() {
    const { i18n, choice } = this;
    return html`<span class="pick">
      <cl-icon .icon=${SlidersHorizontal}></cl-icon>
      ${choice === 'auto' ? '' : html`<span class="word" aria-hidden="true">${i18n.t(`picture.${choice}`)}</span>`}
      <select part="picture-choice" aria-label=${this.label} title=${this.label} @change=${(e: Event) => this.chosen(e)}>
        ${choices.map(
          (c) => html`<option value=${c} .selected=${live(c === choice)}>${i18n.t(`picture.${c}`)}</option>`,
        )}
      </select>
    </span>`;
  }

  private chosen(event: Event): void {
    const detail = (event.target as HTMLSelectElement).value as PictureChoice;
    this.dispatchEvent(new CustomEvent<PictureChoice>('choice', { detail }));
  }
}
