import { LitElement, css, html } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import type { I18n } from '../core/i18n';
import { LevelMeter } from '../core/level';
import { base } from './styles';

const audible = 0.35;

/** Shows how loud a microphone is, and says in words once that it works. */
@customElement('cl-level-bar')
export class ClLevelBar extends LitElement {
  static override styles = [
    base,
    css`
      meter {
        display: block;
        inline-size: 100%;
        block-size: 12px;
      }
      p {
        margin-block-start: 4px;
        font-size: var(--_small);
        color: var(--_muted);
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) track: MediaStreamTrack | undefined;
  @state() private heard = false;
  @query('meter') private readonly bar!: HTMLMeterElement;

  private meter: LevelMeter | undefined;
  private measured: MediaStreamTrack | undefined;
  private frame = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.close();
  }

  override updated(): void {
    if (this.measured === this.track) return;
    this.close();
    if (!this.track) return;
    this.heard = false;
    this.measured = this.track;
    this.meter = new LevelMeter(this.track);
    this.step();
  }

  override render() {
    const { i18n } = this;
    return html`<meter part="level" min="0" max="1" aria-label=${i18n.t('prejoin.level')}></meter>
      <p role="status">${i18n.t(this.heard ? 'prejoin.heard' : 'prejoin.speak')}</p>`;
  }

  private readonly step = (): void => {
    if (!this.meter) return;
    const level = this.meter.read();
    this.bar.value = level;
    if (level > audible) this.heard = true;
    this.frame = requestAnimationFrame(this.step);
  };

  private close(): void {
    cancelAnimationFrame(this.frame);
    this.meter?.close();
    this.meter = undefined;
    this.measured = undefined;
  }
}
