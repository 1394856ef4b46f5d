import { LitElement, css, html } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { live } from 'lit/directives/live.js';
import type { I18n } from '../core/i18n';
import type { Sending } from '../core/outgoing';
import { sendings } from '../core/outgoing';
import type { CallSession } from '../core/session';
import { base, fields } from './styles';
import './toggle';
import { Watch } from './watch';

/** Chooses how large one's own picture is sent, and whether data are saved both ways. */
@customElement('cl-sending')
export class ClSending extends LitElement {
  static override styles = [
    base,
    fields,
    css`
      :host {
        display: grid;
        gap: 8px;
      }
      label {
        margin-block-end: 4px;
        font-size: var(--_small);
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) session!: CallSession;

  constructor() {
    super();
    new Watch(this, () => [this.session]);
  }

  override render() {
    const { i18n, session } = this;
    return html`<div>
        <label for="sending">${i18n.t('sending.label')}</label>
        <select
          id="sending"
          part="sending"
          ?disabled=${session.savingData}
          @change=${(e: Event) => session.own.setSending((e.target as HTMLSelectElement).value as Sending)}
        >
          ${sendings.map(
            (s) => html`<option value=${s} .selected=${live(s === session.own.sending)}>${i18n.t(`sending.${s}`)}</option>`,
          )}
        </select>
      </div>
      <cl-toggle
        label=${i18n.t('sending.save')}
        hint=${i18n.t('sending.saveHint')}
        ?on=${session.savingData}
        @toggle=${(e: CustomEvent<boolean>) => session.setSavingData(e.detail)}
      ></cl-toggle>`;
  }
}
