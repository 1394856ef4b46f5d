import { LitElement, css, html } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { live } from 'lit/directives/live.js';
import { Languages } from 'lucide';
import type { I18n } from '../core/i18n';
import { availableLanguage, languages } from '../core/i18n';
import './icon';
import { base, fields } from './styles';

/** Lets the reader choose the language, each by its own name. Fires `language-chosen`, which bubbles out of every element. */
@customElement('cl-language-select')
export class ClLanguageSelect extends LitElement {
  static override styles = [
    base,
    fields,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 8px;
      }
      label {
        display: flex;
        flex: none;
        align-items: center;
        gap: 8px;
        font-size: var(--_small);
      }
      select {
        inline-size: auto;
        flex: 0 1 auto;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  /** Where there is little room the icon stands for the word. */
  @property({ type: Boolean }) compact = false;

  override render() {
    const { i18n } = this;
    const now = availableLanguage([i18n.lang]);
    return html`<label for="language"><cl-icon .icon=${Languages}></cl-icon><span class=${this.compact ? 'unseen' : ''}>${i18n.t('language.label')}</span></label>
      <select id="language" part="language" @change=${(e: Event) => this.chosen((e.target as HTMLSelectElement).value)}>
        ${languages.map(
          ({ code, name }) => html`<option value=${code} lang=${code} .selected=${live(code === now)}>${name}</option>`,
        )}
      </select>`;
  }

  private chosen(detail: string): void {
    this.dispatchEvent(new CustomEvent<string>('language-chosen', { detail, bubbles: true, composed: true }));
  }
}
