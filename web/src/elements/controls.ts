import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import type { IconNode } from 'lucide';
import {
  Ear,
  Ellipsis,
  Hand,
  MessageSquare,
  Mic,
  MicOff,
  PhoneOff,
  ScreenShare,
  ScreenShareOff,
  Settings,
  SwitchCamera,
  Users,
  Video,
  VideoOff,
} from 'lucide';
import type { DeviceList } from '../core/devices';
import type { I18n } from '../core/i18n';
import type { CallSession } from '../core/session';
import './icon';
import { base, buttons } from './styles';
import { Watch } from './watch';

export type Panel = 'chat' | 'people' | 'settings' | 'more';

interface Control {
  id: string;
  icon: IconNode;
  label: string;
  /** The full name where the label alone does not say all. */
  name?: string;
  hint?: string;
  pressed?: boolean;
  opens?: Panel;
  off?: boolean;
  busy?: boolean;
  badge?: number;
  run: () => void;
}

/**
 * The buttons of the call. Small places show the ones needed most, the rest is listed under "More" (`variant="list"`).
 * Fires `panel` with the panel to open or close.
 */
@customElement('cl-controls')
export class ClControls extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
      }
      .bar {
        display: flex;
        justify-content: center;
        gap: 4px;
        padding: 8px 4px;
      }
      .bar button {
        position: relative;
        flex: 1 1 0;
        flex-direction: column;
        justify-content: start;
        gap: 4px;
        min-inline-size: 44px;
        max-inline-size: 6rem;
        min-block-size: 56px;
        padding: 8px 2px;
        border-color: transparent;
        background: var(--_sunken);
        font-size: var(--_small);
        line-height: 1.2;
      }
      .bar .word {
        max-inline-size: 100%;
        overflow-wrap: anywhere;
      }
      .bar button.off {
        border-color: var(--_danger);
        background: var(--_danger-surface);
        color: var(--_text);
      }
      .bar button.off cl-icon {
        color: var(--_danger);
      }
      .bar button[aria-expanded='true'],
      .bar button.on {
        border-color: var(--_accent);
      }
      .bar button.leave {
        background: var(--_danger);
        color: var(--_on-danger);
      }
      .bar .spare {
        display: none;
      }
      .badge {
        position: absolute;
        inset-block-start: 2px;
        inset-inline-end: 6px;
        min-inline-size: 1.4em;
        padding: 1px 5px;
        border-radius: 1em;
        background: var(--_accent);
        color: var(--_on-accent);
        font-size: var(--_small);
        font-weight: 700;
        font-variant-numeric: tabular-nums;
      }
      .list {
        display: grid;
        gap: 8px;
        padding: 12px 16px;
      }
      .list button {
        justify-content: start;
        inline-size: 100%;
      }
      @container (min-width: 48rem) {
        .bar .spare {
          display: inline-flex;
        }
        .bar .more {
          display: none;
        }
        .bar {
          gap: 6px;
        }
      }
      @container (min-width: 62rem) {
        .bar button {
          flex: 0 1 auto;
          min-inline-size: 5.5rem;
          max-inline-size: none;
          padding-inline: 8px;
        }
      }
      @container (max-width: 18rem) {
        .bar button {
          min-block-size: 44px;
        }
        .bar .word {
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
  @property({ attribute: false }) session!: CallSession;
  @property({ attribute: false }) devices!: DeviceList;
  @property({ attribute: false }) open: Panel | undefined;
  @property() variant: 'bar' | 'list' = 'bar';

  constructor() {
    super();
    new Watch(this, () => [this.session, this.session.chat.log, this.session.chat.thread, this.session.moderation, this.devices]);
  }

  /** Returns the focus to the button that opens `panel`. */
  focusOpener(panel: Panel): void {
    const opener = this.renderRoot.querySelector<HTMLElement>(`[data-opens="${panel}"]`);
    const shown = opener && opener.getClientRects().length > 0 ? opener : this.renderRoot.querySelector<HTMLElement>('[data-opens="more"]');
    shown?.focus();
  }

  override render() {
    if (this.variant === 'list') {
      return html`<div class="list">${this.spare().map((c) => this.button(c, ''))}</div>`;
    }
    const { i18n } = this;
    const more: Control = {
      id: 'more',
      icon: Ellipsis,
      label: i18n.t('control.more'),
      opens: 'more',
      badge: this.asking,
      ...(this.asking > 0 ? { name: i18n.count('control.moreAsking', this.asking) } : {}),
      run: () => this.show('more'),
    };
    return html`<div class="bar" part="controls" role="group" aria-label=${i18n.t('call.controls')}>
      ${this.own().map((c) => this.button(c, c.off ? 'off' : c.id === 'hand' ? 'own' : ''))} ${this.spare().map((c) => this.button(c, 'spare'))}
      ${this.button(this.chat(), '')} ${this.button(more, 'more')} ${this.button(this.leave(), 'leave')}
    </div>`;
  }

  private own(): Control[] {
    const { i18n, session } = this;
    const microphone = session.me?.microphone ?? 'none';
    const hearable = microphone === 'on';
    const camera = session.me?.camera !== undefined;
    const controls: Control[] = [
      {
        id: 'microphone',
        icon: hearable ? Mic : MicOff,
        label: i18n.t(hearable ? 'control.micOn' : microphone === 'muted' ? 'control.micOff' : 'control.micNone'),
        hint: i18n.t(hearable ? 'control.mute' : 'control.unmute'),
        pressed: hearable,
        off: !hearable,
        busy: session.own.busy.has('microphone'),
        run: () => void session.own.toggleMicrophone(),
      },
      {
        id: 'camera',
        icon: camera ? Video : VideoOff,
        label: i18n.t(camera ? 'control.camOn' : 'control.camOff'),
        hint: i18n.t(camera ? 'control.stopCamera' : 'control.startCamera'),
        pressed: camera,
        off: !camera,
        busy: session.own.busy.has('camera'),
        run: () => void session.toggleCamera(),
      },
    ];
    const hand = this.hand();
    return [...controls.filter(({ id }) => session.rights[id as 'microphone' | 'camera']), ...(hand ? [hand] : [])];
  }

  /** For those who are not in charge: a viewer asks for the word, a guest for attention. */
  private hand(): Control | undefined {
    const { i18n, session } = this;
    const { me } = session;
    if (!session.facts || !me || !(me.role === 'guest' || (me.role === 'viewer' && !me.maySend))) return undefined;
    const up = me.hand !== undefined;
    return {
      id: 'hand',
      icon: Hand,
      label: i18n.t('hand.raise'),
      hint: i18n.t(up ? 'hand.lower' : 'hand.raise'),
      pressed: up,
      busy: session.raising,
      run: () => void session.raiseHand(!up),
    };
  }

  /** How many wait to be let in or have a hand up, for whoever answers them. */
  private get asking(): number {
    const { moderation, people } = this.session;
    if (!moderation) return 0;
    return moderation.waiting.length + people.filter((p) => !p.local && p.hand !== undefined).length;
  }

  private spare(): Control[] {
    const { i18n, session } = this;
    const cameras = this.devices.of('videoinput').map((d) => d.id);
    const sharing = session.me?.screen !== undefined;
    const controls: Control[] = [];
    if (session.me?.camera && cameras.length > 1) {
      controls.push({
        id: 'flip',
        icon: SwitchCamera,
        label: i18n.t('control.flip'),
        busy: session.own.busy.has('camera'),
        run: () => void session.own.flipCamera(cameras),
      });
    }
    if (session.rights.screen && 'mediaDevices' in navigator && 'getDisplayMedia' in navigator.mediaDevices) {
      controls.push({
        id: 'screen',
        icon: sharing ? ScreenShareOff : ScreenShare,
        label: i18n.t(sharing ? 'control.stopShare' : 'control.share'),
        busy: session.own.busy.has('screen'),
        run: () => void session.own.toggleScreen(),
      });
    }
    controls.push(
      {
        id: 'audio-only',
        icon: Ear,
        label: i18n.t('control.audioOnly'),
        pressed: session.audioOnly,
        run: () => session.setAudioOnly(!session.audioOnly),
      },
      {
        id: 'people',
        icon: Users,
        label: i18n.t('control.people'),
        opens: 'people',
        badge: this.asking,
        ...(this.asking > 0 ? { name: i18n.count('control.peopleAsking', this.asking) } : {}),
        run: () => this.show('people'),
      },
      { id: 'settings', icon: Settings, label: i18n.t('control.settings'), opens: 'settings', run: () => this.show('settings') },
    );
    return controls;
  }

  private chat(): Control {
    const { i18n, session } = this;
    const { unread } = session.chat;
    return {
      id: 'chat',
      icon: MessageSquare,
      label: i18n.t('control.chat'),
      opens: 'chat',
      badge: unread,
      ...(unread > 0 ? { name: i18n.count('control.chatUnread', unread) } : {}),
      run: () => this.show('chat'),
    };
  }

  private leave(): Control {
    return { id: 'leave', icon: PhoneOff, label: this.i18n.t('control.leave'), run: () => void this.session.leave() };
  }

  private button(control: Control, place: string) {
    return html`<button
      type="button"
      part="control ${control.id}"
      class="${place} ${control.pressed && !control.off && this.variant === 'bar' && (place === 'spare' || place === 'own') ? 'on' : ''}"
      data-control=${control.id}
      data-opens=${control.opens ?? nothing}
      aria-label=${control.name ?? nothing}
      title=${control.hint ?? nothing}
      aria-pressed=${control.pressed ?? nothing}
      aria-expanded=${control.opens && this.variant === 'bar' ? this.open === control.opens : nothing}
      aria-disabled=${control.busy ? 'true' : nothing}
      @click=${control.run}
    >
      <cl-icon .icon=${control.icon}></cl-icon><span class="word">${control.label}</span>
      ${control.badge ? html`<span class="badge" aria-hidden="true">${this.i18n.number(control.badge)}</span>` : nothing}
    </button>`;
  }

  private show(panel: Panel): void {
    this.dispatchEvent(new CustomEvent<Panel>('panel', { detail: panel }));
  }
}
