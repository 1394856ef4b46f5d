import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import type { I18n } from '../core/i18n';
import type { Moderation } from '../core/moderation';
import './banner';
import { base } from './styles';
import { Watch } from './watch';

/** What became of the host's last request: done, said to screen readers only as the list shows it; or why not, for everybody. */
@customElement('cl-host-status')
export class ClHostStatus extends LitElement {
  static override styles = [
    base,
    css`
      :host {
        display: block;
      }
      cl-banner {
        margin-block: 8px;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) moderation!: Moderation;

  constructor() {
    super();
    new Watch(this, () => [this.moderation]);
  }

  override render() {
    const { i18n, moderation } = this;
    const { trouble, done } = moderation;
    return html`<div role="alert">
        ${trouble
          ? html`<cl-banner
              icon="alert"
              heading=${i18n.t('trouble.title')}
              body=${i18n.t(`trouble.${trouble}`)}
              dismissLabel=${i18n.t('notice.dismiss')}
              @dismiss=${() => moderation.dismiss()}
            ></cl-banner>`
          : nothing}
      </div>
      <p class="unseen" role="status">${done ? i18n.t(`done.${done.action}`, { name: done.name }) : nothing}</p>`;
  }
}
