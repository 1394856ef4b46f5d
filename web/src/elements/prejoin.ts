import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { Camera, CircleAlert, Mic, MicOff, Video, VideoOff } from 'lucide';
import type { DeviceList, DeviceProblem, Obstacle } from '../core/devices';
import type { I18n } from '../core/i18n';
import type { JoinMedia, Preview } from '../core/preview';
import './background';
import './device-select';
import type { DeviceChosen } from './device-select';
import './icon';
import './language-select';
import './level-bar';
import { base, buttons } from './styles';
import { Watch } from './watch';

type Problem = 'problem.both.denied' | `problem.${'microphone' | 'camera'}.${DeviceProblem}`;

/** What comes before the call: see oneself, choose devices, join. Fires `join` with the open tracks. */
@customElement('cl-prejoin')
export class ClPrejoin extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        container-type: inline-size;
      }
      .page {
        display: grid;
        gap: 20px;
        max-inline-size: 60rem;
        margin-inline: auto;
        padding: 20px 16px 32px;
      }
      header {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 4px 16px;
      }
      header p {
        flex: 1 1 100%;
      }
      .picture {
        position: relative;
        display: grid;
        align-content: center;
        justify-items: center;
        gap: 16px;
        aspect-ratio: 4 / 3;
        padding: 24px;
        overflow: hidden;
        border-radius: var(--_radius);
        background: var(--_stage);
        color: var(--_on-stage);
        text-align: center;
      }
      .picture.words {
        aspect-ratio: auto;
        min-block-size: 12rem;
      }
      .picture p {
        max-inline-size: 26rem;
      }
      video {
        position: absolute;
        inset: 0;
        inline-size: 100%;
        block-size: 100%;
        object-fit: cover;
        transform: scaleX(-1);
      }
      .switches {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        margin-block-start: 12px;
      }
      .switches button {
        flex: 1 1 9rem;
      }
      .side {
        display: grid;
        gap: 20px;
        align-content: start;
      }
      .go {
        display: grid;
        gap: 8px;
      }
      .go button {
        inline-size: 100%;
      }
      .go .primary {
        min-block-size: 52px;
        font-size: 1.125rem;
      }
      .problem {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 4px 12px;
        padding: 12px 16px;
        border-radius: var(--_radius);
        background: var(--_warning-surface);
      }
      .problem cl-icon {
        color: var(--_warning);
        padding-block-start: 2px;
      }
      .problem > div {
        display: grid;
        gap: 8px;
        justify-items: start;
      }
      h2 {
        font-size: var(--_body);
      }
      #choose {
        margin-block-end: 8px;
      }
      @container (min-width: 44rem) {
        .page {
          grid-template-columns: 3fr 2fr;
          gap: 32px;
          padding-block: 40px;
        }
        header {
          grid-column: 1 / -1;
        }
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) preview!: Preview;
  @property({ attribute: false }) devices!: DeviceList;
  @property({ attribute: false }) obstacle: Obstacle;
  @property() name = '';
  @property() room = '';
  /** Who may not send anything is asked for no devices. */
  @property({ attribute: false }) maySend = true;
  @query('video') private readonly video!: HTMLVideoElement | null;

  private named = false;

  constructor() {
    super();
    new Watch(this, () => [this.preview, this.devices]);
  }

  override firstUpdated(): void {
    if (!this.obstacle && this.maySend) void this.preview.begin();
  }

  override updated(): void {
    const track = this.preview.camera.track;
    const video = this.video;
    const shown = video?.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0] : undefined;
    if (video && shown !== track) video.srcObject = track ? new MediaStream([track]) : null;
    // Browsers tell the names of devices only once one of them was open.
    if (this.preview.phase === 'done' && !this.named) {
      this.named = true;
      void this.devices.refresh();
    }
  }

  override render() {
    const { i18n, preview } = this;
    const ready = preview.microphone.track ?? preview.camera.track;
    return html`<div class="page" part="prejoin">
      <header>
        <h1>${i18n.t('prejoin.title')}</h1>
        <cl-language-select .i18n=${i18n}></cl-language-select>
        ${this.name ? html`<p class="quiet"><bdi>${i18n.t('prejoin.as', { name: this.name })}</bdi></p>` : nothing}
      </header>
      <div>
        ${this.picture()}
        ${this.obstacle || !this.maySend || preview.phase !== 'done' ? nothing : this.switches()}
      </div>
      <div class="side">
        ${this.obstacle ? nothing : this.problems()}
        ${preview.microphone.track
          ? html`<cl-level-bar .i18n=${i18n} .track=${preview.microphone.track}></cl-level-bar>`
          : nothing}
        <div class="go">
          ${ready || !this.maySend
            ? html`<button type="button" class="primary" @click=${() => this.join()}>${i18n.t('prejoin.join')}</button>`
            : html`<button type="button" class=${this.obstacle || preview.phase === 'done' ? 'primary' : ''} @click=${() => this.join()}>
                  ${i18n.t('prejoin.joinWithout')}
                </button>
                <p class="quiet">${i18n.t('prejoin.joinWithoutHint')}</p>`}
        </div>
        ${preview.phase === 'done' && ready
          ? html`<section aria-labelledby="choose">
              <h2 id="choose">${i18n.t('prejoin.choose')}</h2>
              <cl-device-select
                exportparts="device"
                .i18n=${i18n}
                .devices=${this.devices}
                .selection=${this.selection}
                @device-chosen=${(e: CustomEvent<DeviceChosen>) => this.choose(e.detail)}
              ></cl-device-select>
              <cl-background
                .i18n=${i18n}
                .track=${preview.camera.track}
                .apply=${(on: boolean) => preview.setBlur(on)}
              ></cl-background>
            </section>`
          : nothing}
      </div>
    </div>`;
  }

  private picture() {
    const { i18n, preview } = this;
    if (!this.maySend) return html`<div class="picture words"><p>${i18n.t('prejoin.watch')}</p></div>`;
    if (this.obstacle === 'insecure') {
      return html`<div class="picture words">
        <h2>${i18n.t('obstacle.insecure.title')}</h2>
        <p>${i18n.t('obstacle.insecure.body')}</p>
      </div>`;
    }
    if (preview.phase === 'idle') {
      return html`<div class="picture words">
        <p>${i18n.t('prejoin.ask')}</p>
        <button type="button" class="primary" @click=${() => void preview.open()}>
          <cl-icon .icon=${Camera}></cl-icon>${i18n.t('prejoin.allow')}
        </button>
      </div>`;
    }
    if (preview.phase === 'asking') {
      return html`<div class="picture words"><p role="status">${i18n.t('prejoin.asking')}</p></div>`;
    }
    if (!preview.camera.track) return html`<div class="picture words"><p>${i18n.t('prejoin.cameraOff')}</p></div>`;
    return html`<div class="picture">
      <video part="preview" aria-label=${i18n.t('prejoin.preview')} autoplay playsinline .muted=${true}></video>
    </div>`;
  }

  private switches() {
    const { i18n, preview } = this;
    const microphone = preview.microphone.track !== undefined;
    const camera = preview.camera.track !== undefined;
    return html`<div class="switches">
      <button type="button" aria-pressed=${microphone} @click=${() => void preview.toggle('microphone')}>
        <cl-icon .icon=${microphone ? Mic : MicOff}></cl-icon>${i18n.t(microphone ? 'control.micOn' : 'control.micOff')}
      </button>
      <button type="button" aria-pressed=${camera} @click=${() => void preview.toggle('camera')}>
        <cl-icon .icon=${camera ? Video : VideoOff}></cl-icon>${i18n.t(camera ? 'control.camOn' : 'control.camOff')}
      </button>
    </div>`;
  }

  /** What went wrong with the devices; one refusal of both is one statement. */
  private problems() {
    const { i18n, preview } = this;
    if (preview.microphone.problem === 'denied' && preview.camera.problem === 'denied') {
      return this.problem('problem.both.denied', '', () => void preview.open());
    }
    return (['microphone', 'camera'] as const).map((input) => {
      const problem = preview[input].problem;
      if (!problem) return nothing;
      return this.problem(`problem.${input}.${problem}`, i18n.t(`device.${input}`), () => void preview.toggle(input));
    });
  }

  private problem(stem: Problem, device: string, again: () => void) {
    const { i18n } = this;
    return html`<section class="problem" part="problem" role="status">
      <cl-icon .icon=${CircleAlert}></cl-icon>
      <div>
        <h2>${i18n.t(`${stem}.title`)}</h2>
        <p>${i18n.t(`${stem}.body`)}</p>
        <button type="button" @click=${again}>
          ${i18n.t('problem.again')}${device ? html`<span class="unseen"> ${device}</span>` : nothing}
        </button>
      </div>
    </section>`;
  }

  private get selection() {
    const { preview } = this;
    return {
      audioinput: preview.microphone.track?.getSettings().deviceId,
      videoinput: preview.camera.track?.getSettings().deviceId,
      audiooutput: preview.speaker,
    };
  }

  private choose({ kind, id }: DeviceChosen): void {
    if (kind === 'audiooutput') this.preview.chooseSpeaker(id);
    else void this.preview.choose(kind === 'audioinput' ? 'microphone' : 'camera', id);
  }

  private join(): void {
    this.dispatchEvent(new CustomEvent<JoinMedia>('join', { detail: this.preview.take() }));
  }
}
