import { LitElement, css, html } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { blurOf } from '../core/blur';
import type { I18n } from '../core/i18n';
import { base } from './styles';
import './toggle';

/** Blurs the background of one's own picture where the browser can, and says why where it cannot. */
@customElement('cl-background')
export class ClBackground extends LitElement {
  static override styles = [
    base,
    css`
      :host {
        display: block;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  /** The open camera. */
  @property({ attribute: false }) track: MediaStreamTrack | undefined;
  /** Switches the blur; rejects where the browser did not do it. */
  @property({ attribute: false }) apply!: (on: boolean) => Promise<void>;
  @state() private failed = false;
  /** What was just chosen, until the browser has done or refused it. */
  @state() private wanted: boolean | undefined;

  private heard: MediaStreamTrack | undefined;
  // The system's own settings can switch it too.
  private readonly reconfigured = (): void => this.requestUpdate();

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.listen(undefined);
  }

  override willUpdate(): void {
    this.listen(this.track);
  }

  override render() {
    const { i18n } = this;
    const known = 'mediaDevices' in navigator ? navigator.mediaDevices.getSupportedConstraints() : {};
    const { on, obstacle } = blurOf(this.track, known);
    return html`<cl-toggle
      label=${i18n.t('blur.label')}
      hint=${obstacle ? i18n.t(`blur.${obstacle}`) : i18n.t('blur.hint')}
      problem=${this.failed ? i18n.t('blur.failed') : ''}
      ?on=${this.wanted ?? on}
      ?fixed=${obstacle !== undefined}
      @toggle=${(e: CustomEvent<boolean>) => void this.toggle(e.detail)}
    ></cl-toggle>`;
  }

  private async toggle(on: boolean): Promise<void> {
    this.failed = false;
    this.wanted = on;
    // Shown at once: where the browser refuses, the mark has something to go back from.
    await this.updateComplete;
    try {
      await this.apply(on);
    } catch {
      this.failed = true;
    }
    this.wanted = undefined;
  }

  private listen(track: MediaStreamTrack | undefined): void {
    if (track === this.heard) return;
    this.heard?.removeEventListener('configurationchange', this.reconfigured);
    track?.addEventListener('configurationchange', this.reconfigured);
    this.heard = track;
    this.failed = false;
  }
}
