import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { X } from 'lucide';
import type { DeviceList } from '../core/devices';
import type { I18n, TextKey } from '../core/i18n';
import { staged } from '../core/people';
import { maySend } from '../core/place';
import type { Notice } from '../core/notice';
import type { CallSession } from '../core/session';
import { readToken } from '../core/token';
import './background';
import './banner';
import type { BannerIcon } from './banner';
import './chat-panel';
import './controls';
import type { ClControls, Panel } from './controls';
import './device-select';
import type { DeviceChosen } from './device-select';
import './language-select';
import './people-panel';
import './sending';
import './sounds';
import './stage';
import './thread';
import type { PictureChosen } from './tile';
import { base, buttons } from './styles';
import { WakeLock } from './wake-lock';
import { Watch } from './watch';

interface Said {
  icon?: BannerIcon;
  title: string;
  body: string;
}

/** The call itself: pictures, sound, state, panels and controls. */
@customElement('cl-call-view')
export class ClCallView extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        block-size: 100%;
        container-type: size;
        background: var(--_stage);
      }
      .view {
        position: relative;
        display: grid;
        grid-template: auto auto minmax(0, 1fr) auto / minmax(0, 1fr);
        grid-template-areas: 'head' 'banners' 'stage' 'bar';
        block-size: 100%;
      }
      header {
        grid-area: head;
        display: flex;
        flex-wrap: wrap;
        align-items: baseline;
        justify-content: space-between;
        gap: 4px 16px;
        padding: 8px 12px;
        color: var(--_on-stage);
        font-size: var(--_small);
      }
      h1 {
        flex: 0 1 auto;
        min-inline-size: 0;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
        font-size: var(--_small);
        font-weight: 600;
      }
      header p {
        flex: none;
      }
      .banners {
        grid-area: banners;
        display: grid;
        gap: 8px;
        padding: 0 8px;
      }
      .banners:not(:empty) {
        padding-block-end: 8px;
      }
      cl-stage {
        grid-area: stage;
        margin: 0 8px 8px;
      }
      footer {
        grid-area: bar;
        container-type: inline-size;
        background: var(--_raised);
        color: var(--_text);
        padding-block-end: env(safe-area-inset-bottom);
      }
      aside {
        grid-row: head-start / stage-end;
        grid-column: 1;
        z-index: 1;
        display: flex;
        flex-direction: column;
        min-block-size: 0;
        background: var(--_raised);
        color: var(--_text);
      }
      aside > .title {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 8px;
        padding: 8px 8px 8px 16px;
        padding-inline: 16px 8px;
        border-block-end: 1px solid var(--_line);
      }
      aside h2:focus {
        outline: none;
      }
      aside > .body {
        flex: 1;
        min-block-size: 0;
        overflow-y: auto;
      }
      .padded {
        display: grid;
        gap: 16px;
        padding: 16px;
      }
      .padded section {
        display: grid;
        gap: 8px;
        padding-block-start: 16px;
        border-block-start: 1px solid var(--_line);
      }
      h3 {
        font-size: var(--_body);
        font-weight: 650;
      }
      @container (min-width: 46rem) {
        .view.beside {
          grid-template-columns: minmax(0, 1fr) 22.5rem;
          grid-template-areas: 'head panel' 'banners panel' 'stage panel' 'bar bar';
        }
        aside {
          grid-area: panel;
        }
        header {
          padding-inline: 16px;
        }
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) session!: CallSession;
  @property({ attribute: false }) devices!: DeviceList;
  @property() room = '';
  @state() private panel: Panel | undefined;
  @state() private problem: Said | undefined;
  @state() private spoken = '';
  @state() private weakDismissed = false;
  @query('footer cl-controls') private readonly controls!: ClControls;

  private readonly wakeLock = new WakeLock();
  private stopNotices: (() => void) | undefined;
  private unread = 0;

  constructor() {
    super();
    new Watch(this, () => [this.session, this.session.chat.log, this.session.chat.thread, this.session.moderation]);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.wakeLock.hold();
    this.stopNotices = this.session.notices((notice) => this.heard(notice));
    if (!maySend(this.session.rights)) this.heard({ kind: 'may-not-publish' });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.wakeLock.release();
    this.stopNotices?.();
  }

  override willUpdate(): void {
    const { unread, newestWriter } = this.session.chat;
    if (unread > this.unread) this.spoken = this.i18n.t('notice.message', { name: newestWriter });
    this.unread = unread;
  }

  override render() {
    const { i18n, session } = this;
    return html`<main class="view ${this.panel ? 'beside' : ''}" part="call" @keydown=${(e: KeyboardEvent) => this.key(e)}>
      <header part="header">
        <h1><bdi>${i18n.t('call.title', { room: session.facts?.title ? session.facts.title : this.room })}</bdi></h1>
        <p>
          ${i18n.count('call.people', session.people.length)} ·
          <span role="status" part="connection" data-link=${session.link}>${i18n.t(`link.${session.link}`)}</span>
        </p>
      </header>
      <div class="banners" role="status">${this.banners()}</div>
      <cl-stage
        exportparts="stage, tile, screen, label, video, stand-in, notice"
        .i18n=${i18n}
        .people=${staged(session.people)}
        hint=${this.hint()}
        @picture-chosen=${(e: CustomEvent<PictureChosen>) => {
          session.choosePicture(e.detail.identity, e.detail.kind, e.detail.choice);
        }}
      ></cl-stage>
      ${this.panel ? this.side(this.panel) : nothing}
      <footer>
        <cl-controls
          exportparts="controls, control, microphone, camera, chat, leave"
          .i18n=${i18n}
          .session=${session}
          .devices=${this.devices}
          .open=${this.panel}
          @panel=${(e: CustomEvent<Panel>) => this.toggle(e.detail)}
        ></cl-controls>
      </footer>
      <cl-sounds .sounds=${session.sounds}></cl-sounds>
      <p class="unseen" role="status">${this.spoken}</p>
    </main>`;
  }

  /** At most one statement about the connection, after it what else needs the reader. */
  private banners() {
    const { i18n, session } = this;
    const shown = [];
    if (session.link !== 'steady') {
      shown.push(
        html`<cl-banner
          icon="link"
          heading=${i18n.t(`banner.${session.link}.title`)}
          body=${i18n.t(`banner.${session.link}.body`)}
        ></cl-banner>`,
      );
    } else if (session.audioOnly) {
      shown.push(this.offer('sound', 'audioOnly', () => session.setAudioOnly(false)));
    } else if (session.me?.quality === 'poor' && !this.weakDismissed) {
      shown.push(this.offer('weak', 'weak', () => session.setAudioOnly(true), () => (this.weakDismissed = true)));
    }
    const waiting = session.moderation?.waiting.length ?? 0;
    if (waiting > 0 && this.panel !== 'people') {
      shown.push(
        html`<cl-banner
          icon="waiting"
          heading=${i18n.count('host.waiting', waiting)}
          action=${i18n.t('host.seeWho')}
          @act=${() => this.toggle('people')}
        ></cl-banner>`,
      );
    }
    if (!session.audible) shown.push(this.offer('sound', 'tapToHear', () => void session.startAudio()));
    if (this.problem) {
      shown.push(
        html`<cl-banner
          icon=${this.problem.icon ?? 'alert'}
          heading=${this.problem.title}
          body=${this.problem.body}
          dismissLabel=${i18n.t('notice.dismiss')}
          @dismiss=${() => (this.problem = undefined)}
        ></cl-banner>`,
      );
    }
    return shown.length > 0 ? shown : nothing;
  }

  private hint(): string {
    const { i18n, session } = this;
    if (staged(session.people).length === 0) return i18n.t('call.notBegun');
    return session.people.length === 1 ? i18n.t('call.waiting') : '';
  }

  private offer(icon: string, name: 'audioOnly' | 'weak' | 'tapToHear', act: () => void, dismiss?: () => void) {
    const { i18n } = this;
    return html`<cl-banner
      icon=${icon}
      heading=${i18n.t(`banner.${name}.title`)}
      body=${i18n.t(`banner.${name}.body`)}
      action=${i18n.t(`banner.${name}.action`)}
      dismissLabel=${dismiss ? i18n.t('notice.dismiss') : ''}
      @act=${act}
      @dismiss=${() => dismiss?.()}
    ></cl-banner>`;
  }

  private side(panel: Panel) {
    const { i18n } = this;
    const titles: Record<Panel, TextKey> = {
      chat: 'chat.title',
      people: 'people.title',
      settings: 'settings.title',
      more: 'control.more',
    };
    return html`<aside part="panel" aria-labelledby="panel-title">
      <div class="title">
        <h2 id="panel-title" tabindex="-1">${i18n.t(titles[panel])}</h2>
        <button type="button" class="plain" @click=${() => this.close()}>
          <cl-icon .icon=${X}></cl-icon>${i18n.t('panel.close')}
        </button>
      </div>
      <div class="body">${this.panelBody(panel)}</div>
    </aside>`;
  }

  private panelBody(panel: Panel) {
    const { i18n, session } = this;
    switch (panel) {
      case 'chat':
        if (session.chat.kept) {
          return html`<cl-thread
            exportparts="log, message, bubble, fate, file, composer, typing"
            .i18n=${i18n}
            .thread=${session.chat.kept}
            .earlier=${session.chat.earlier}
            .permissions=${readToken(session.token)?.permissions ?? []}
          ></cl-thread>`;
        }
        return html`<cl-chat-panel
          exportparts="log, message, composer"
          .i18n=${i18n}
          .chat=${session.chat.log}
          identity=${session.me?.identity ?? ''}
          name=${session.me?.name ?? ''}
        ></cl-chat-panel>`;
      case 'people':
        return html`<cl-people-panel
          exportparts="person"
          .i18n=${i18n}
          .people=${session.people}
          .moderation=${session.moderation}
        ></cl-people-panel>`;
      case 'settings':
        return html`<div class="padded">
          <p class="quiet">${i18n.t('settings.hint')}</p>
          <cl-device-select
            exportparts="device"
            .i18n=${i18n}
            .devices=${this.devices}
            .selection=${{
              audioinput: session.own.activeDevice('audioinput'),
              videoinput: session.own.activeDevice('videoinput'),
              audiooutput: session.own.activeDevice('audiooutput'),
            }}
            @device-chosen=${(e: CustomEvent<DeviceChosen>) => void session.own.useDevice(e.detail.kind, e.detail.id)}
          ></cl-device-select>
          <section aria-labelledby="own">
            <h3 id="own">${i18n.t('settings.picture')}</h3>
            <cl-background
              .i18n=${i18n}
              .track=${session.own.cameraTrack}
              .apply=${(on: boolean) => session.own.setBlur(on)}
            ></cl-background>
            <cl-sending exportparts="sending" .i18n=${i18n} .session=${session}></cl-sending>
          </section>
          <section><cl-language-select .i18n=${i18n}></cl-language-select></section>
        </div>`;
      case 'more':
        return html`<cl-controls
          variant="list"
          .i18n=${i18n}
          .session=${session}
          .devices=${this.devices}
          @panel=${(e: CustomEvent<Panel>) => this.toggle(e.detail)}
        ></cl-controls>`;
    }
  }

  private toggle(panel: Panel): void {
    if (this.panel === panel) {
      this.close();
      return;
    }
    this.panel = panel;
    if (panel === 'chat') this.session.chat.show();
    void this.updateComplete.then(() => {
      const field = panel === 'chat' ? this.renderRoot.querySelector<HTMLElement>('cl-thread, cl-chat-panel') : null;
      (field ?? this.renderRoot.querySelector<HTMLElement>('#panel-title'))?.focus();
    });
  }

  private close(): void {
    const panel = this.panel;
    this.panel = undefined;
    if (panel) void this.updateComplete.then(() => this.controls.focusOpener(panel));
  }

  private key(event: KeyboardEvent): void {
    if (event.key !== 'Escape' || !this.panel || event.isComposing) return;
    event.stopPropagation();
    this.close();
  }

  private heard(notice: Notice): void {
    const { i18n } = this;
    switch (notice.kind) {
      case 'joined':
      case 'left':
        this.spoken = i18n.t(`notice.${notice.kind}`, { name: notice.name });
        return;
      case 'device-lost':
        this.problem = { title: i18n.t(`notice.${notice.input}Lost`), body: '' };
        return;
      case 'not-blurred':
        this.problem = { title: i18n.t('notice.notBlurred.title'), body: i18n.t('notice.notBlurred.body') };
        return;
      case 'may-not-publish': {
        const viewer = this.session.me?.role === 'viewer';
        this.problem = { icon: 'info', title: i18n.t(viewer ? 'notice.viewer' : 'notice.mayNotPublish'), body: '' };
        return;
      }
      case 'hand':
        this.spoken = i18n.t('notice.hand', { name: notice.name });
        return;
      case 'let-speak':
      case 'silenced':
        this.problem = { icon: 'info', title: i18n.t(`notice.${notice.kind}.title`), body: i18n.t(`notice.${notice.kind}.body`) };
        return;
      case 'muted':
        this.problem = { icon: 'info', title: i18n.t(`notice.muted.${notice.input}`), body: i18n.t('notice.muted.body') };
        return;
      case 'refused':
        this.problem = { title: i18n.t('trouble.title'), body: i18n.t(`trouble.${notice.trouble}`) };
        return;
      case 'device-problem':
        if (notice.input === 'screen' || notice.input === 'speaker') {
          this.problem = { title: i18n.t(`notice.${notice.input}Problem`), body: '' };
        } else {
          const stem = `problem.${notice.input}.${notice.problem}` as const;
          this.problem = { title: i18n.t(`${stem}.title`), body: i18n.t(`${stem}.body`) };
        }
    }
  }
}
