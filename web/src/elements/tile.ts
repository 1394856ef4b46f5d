import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { AudioLines, CirclePause, Hand, MicOff, MonitorUp } from 'lucide';
import type { I18n } from '../core/i18n';
import { initials } from '../core/layout';
import type { Person, Picture, PictureChoice, PictureKind, Showable } from '../core/people';
import './icon';
import './picture-choice';
import { qualityIcons } from './quality';
import { base, buttons } from './styles';

/** What the reader chose for one picture of one person. */
export interface PictureChosen {
  identity: string;
  kind: PictureKind;
  choice: PictureChoice;
}

/** One person's picture or, with `screen`, what they share. Fires `picture-chosen`, which bubbles. */
@customElement('cl-tile')
export class ClTile extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        position: relative;
        display: block;
        min-inline-size: 0;
        min-block-size: 0;
        overflow: hidden;
        border-radius: var(--_radius);
        background: var(--_tile);
        color: var(--_on-stage);
        container-type: size;
      }
      video {
        position: absolute;
        inset: 0;
        inline-size: 100%;
        block-size: 100%;
        object-fit: cover;
      }
      video.whole {
        object-fit: contain;
        background: var(--_stage);
      }
      video.mirrored {
        transform: scaleX(-1);
      }
      .stand-in {
        position: absolute;
        inset: 0;
        display: grid;
        place-items: center;
      }
      .stand-in span {
        display: grid;
        place-items: center;
        inline-size: clamp(40px, 36cqmin, 128px);
        aspect-ratio: 1;
        border-radius: 50%;
        background: #3b4a58;
        font-size: clamp(1rem, 14cqmin, 3rem);
        font-weight: 600;
      }
      .label {
        position: absolute;
        inset-block-end: 8px;
        inset-inline-start: 8px;
        display: flex;
        align-items: center;
        gap: 6px;
        max-inline-size: calc(100% - 16px);
        padding: 4px 10px;
        border-radius: 8px;
        background: var(--_label);
        font-size: var(--_small);
        line-height: 1.4;
      }
      .label bdi {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .label .state {
        display: inline-flex;
        flex: none;
        align-items: center;
        gap: 4px;
      }
      cl-picture-choice {
        position: absolute;
        z-index: 1;
        inset-block-start: 4px;
        inset-inline-start: 4px;
      }
      .notice {
        position: absolute;
        inset: 0;
        display: flex;
        flex-direction: column;
        align-items: center;
        justify-content: center;
        gap: 8px;
        padding: 52px 16px 44px;
        text-align: center;
      }
      .notice:empty {
        display: none;
      }
      .notice p {
        display: flex;
        align-items: center;
        gap: 8px;
        max-inline-size: 24rem;
        padding: 8px 12px;
        border-radius: 8px;
        background: var(--_label);
        text-align: start;
      }
      .notice cl-icon {
        flex: none;
      }
      video.held {
        filter: brightness(0.45);
      }
      :host([speaking])::after {
        content: '';
        position: absolute;
        inset: 0;
        border: 3px solid var(--_speaking);
        border-radius: inherit;
        pointer-events: none;
      }
      @container (max-width: 260px) or (max-height: 200px) {
        .notice {
          padding: 8px;
        }
        .notice p {
          padding: 8px;
          border-radius: 50%;
        }
        .notice .word {
          position: absolute;
          inline-size: 1px;
          overflow: hidden;
          clip-path: inset(50%);
          white-space: nowrap;
        }
        .notice button {
          display: none;
        }
      }
      @container (max-width: 180px) {
        .label {
          inset-block-end: 4px;
          inset-inline-start: 4px;
          max-inline-size: calc(100% - 8px);
          padding: 2px 6px;
        }
        .state .word {
          position: absolute;
          inline-size: 1px;
          overflow: hidden;
          clip-path: inset(50%);
          white-space: nowrap;
        }
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) person!: Person;
  @property({ type: Boolean }) screen = false;
  /** In a small place one's own name is only "You". */
  @property({ type: Boolean }) brief = false;
  @property({ type: Boolean, reflect: true }) speaking = false;
  @state() private playing = false;
  @query('video') private readonly video!: HTMLVideoElement | null;

  private attached: { track: Showable; video: HTMLVideoElement } | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.detach();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate();
  }

  override updated(): void {
    const track = this.picture?.track;
    const video = this.video;
    if (this.attached && (this.attached.track !== track || this.attached.video !== video)) this.detach();
    if (track && video && !this.attached) {
      track.attach(video);
      this.attached = { track, video };
    }
  }

  private get picture(): Picture | undefined {
    return this.screen ? this.person.screen : this.person.camera;
  }

  override render() {
    const { person, i18n, picture } = this;
    const track = picture?.track;
    const shownName = person.local
      ? this.brief
        ? i18n.t('chat.you')
        : i18n.t('people.you', { name: person.name })
      : person.name;
    const name = this.screen
      ? person.local
        ? i18n.t('tile.yourScreen')
        : i18n.t('tile.screenOf', { name: person.name })
      : shownName;
    return html`
      ${picture?.pause ?? (track && !this.screen && this.playing)
        ? nothing
        : html`<div class="stand-in" part="stand-in" aria-hidden="true"><span>${initials(person.name)}</span></div>`}
      ${track
        ? html`<video
            part="video"
            class="${this.screen ? 'whole' : ''} ${person.mirrored && !this.screen ? 'mirrored' : ''} ${
              picture.pause === 'network' ? 'held' : ''
            }"
            aria-label=${this.screen ? name : i18n.t('tile.pictureOf', { name: person.name })}
            playsinline
            autoplay
            .muted=${true}
            @loadeddata=${() => (this.playing = true)}
            @emptied=${() => (this.playing = false)}
          ></video>`
        : nothing}
      ${person.local ? nothing : html`<div class="notice" part="notice" role="status">${this.pauseNotice(picture)}</div>`}
      ${picture && !person.local
        ? html`<cl-picture-choice
            .i18n=${i18n}
            label=${i18n.t(this.screen ? 'picture.ofScreen' : 'picture.of', { name: person.name })}
            choice=${picture.choice}
            @choice=${(e: CustomEvent<PictureChoice>) => this.choose(e.detail)}
          ></cl-picture-choice>`
        : nothing}
      <div class="label" part="label">
        ${this.screen ? html`<cl-icon .icon=${MonitorUp}></cl-icon>` : this.micState()}
        <bdi>${name}</bdi>
        ${this.screen ? nothing : html`${this.hand()}${this.quality()}`}
      </div>
    `;
  }

  /** Why the picture stands still or is not there although it is sent. */
  private pauseNotice(picture: Picture | undefined) {
    const { i18n, person } = this;
    if (!picture?.pause) return nothing;
    return html`<p data-pause=${picture.pause}>
        <cl-icon .icon=${CirclePause}></cl-icon>
        <span class="word"><span class="unseen"><bdi>${person.name}</bdi>: </span>${i18n.t(`pause.${picture.pause}`)}</span>
      </p>
      ${picture.pause === 'chosen'
        ? html`<button type="button" @click=${() => this.choose('auto')}>${i18n.t('pause.show')}</button>`
        : nothing}`;
  }

  private hand() {
    if (this.person.hand === undefined) return nothing;
    return html`<span class="state" data-hand><cl-icon .icon=${Hand}></cl-icon><span class="unseen">${this.i18n.t('hand.up')}</span></span>`;
  }

  /** Good connections are only read out beside their sign; others are also written. */
  private quality() {
    const { quality } = this.person;
    if (quality === 'unknown') return nothing;
    const written = quality === 'poor' || quality === 'lost';
    return html`<span class="state" data-quality=${quality}
      ><cl-icon .icon=${qualityIcons[quality]}></cl-icon
      ><span class=${written ? 'word' : 'unseen'}>${this.i18n.t(`quality.${quality}`)}</span></span
    >`;
  }

  private choose(choice: PictureChoice): void {
    const detail: PictureChosen = { identity: this.person.identity, kind: this.screen ? 'screen' : 'camera', choice };
    this.dispatchEvent(new CustomEvent<PictureChosen>('picture-chosen', { detail, bubbles: true, composed: true }));
  }

  private micState() {
    const { person, i18n } = this;
    if (person.microphone !== 'on') {
      const word = person.microphone === 'muted' ? 'mic.muted' : 'mic.none';
      return html`<span class="state" data-microphone=${person.microphone}
        ><cl-icon .icon=${MicOff}></cl-icon><span class="unseen">${i18n.t(word)}</span></span
      >`;
    }
    if (person.speaking) {
      return html`<span class="state" data-microphone="on"
        ><cl-icon .icon=${AudioLines}></cl-icon><span class="unseen">${i18n.t('mic.speaking')}</span></span
      >`;
    }
    return nothing;
  }

  private detach(): void {
    this.attached?.track.detach(this.attached.video);
    this.attached = undefined;
    this.playing = false;
  }
}
