import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import type { IconNode } from 'lucide';
import { ArrowDown, Ban, ChevronDown, ChevronUp, Megaphone, MegaphoneOff, MicOff, UserMinus, VideoOff } from 'lucide';
import type { I18n } from '../core/i18n';
import type { Action, Moderation } from '../core/moderation';
import type { Person } from '../core/people';
import { may } from '../core/place';
import './confirm';
import type { ClConfirm } from './confirm';
import './icon';
import { base, buttons } from './styles';
import { Watch } from './watch';

interface Offer {
  action: Action;
  icon: IconNode;
  run: () => Promise<unknown>;
  /** There is nothing to do now; the button stays, so that the others keep their place under the finger. */
  idle?: boolean;
}

/** What a host or operator can do about one person. Fires `gone` when that person was sent out. */
@customElement('cl-person-actions')
export class ClPersonActions extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        margin-block-start: 8px;
      }
      div {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
      }
      #more {
        margin-block-start: 8px;
      }
      button {
        padding: 8px 12px;
        font-size: var(--_small);
      }
      button.grave {
        color: var(--_danger);
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) moderation!: Moderation;
  @property({ attribute: false }) person!: Person;
  @state() private open = false;
  @query('cl-confirm') private readonly confirm!: ClConfirm;

  constructor() {
    super();
    new Watch(this, () => [this.moderation]);
  }

  override render() {
    const { i18n, person } = this;
    const more = this.more();
    return html`<div>
        ${this.urgent().map((offer) => this.button(offer))}
        ${more.length > 0
          ? html`<button
              type="button"
              aria-label=${`${i18n.t('host.manage')}: ${person.name}`}
              aria-expanded=${this.open}
              aria-controls="more"
              @click=${() => (this.open = !this.open)}
            >
              <cl-icon .icon=${this.open ? ChevronUp : ChevronDown}></cl-icon>${i18n.t('host.manage')}
            </button>`
          : nothing}
      </div>
      <div id="more" ?hidden=${!this.open}>${this.open ? more.map((offer) => this.button(offer)) : nothing}</div>
      <cl-confirm></cl-confirm>`;
  }

  /** What a raised hand asks for stands beside it. */
  private urgent(): Offer[] {
    const { moderation, person } = this;
    const viewer = moderation.facts.kind === 'broadcast' && person.role === 'viewer';
    if (viewer && person.maySend) return [{ action: 'silence', icon: MegaphoneOff, run: () => moderation.silence(person) }];
    if (person.hand === undefined) return [];
    const offers: Offer[] = [{ action: 'lower-hand', icon: ArrowDown, run: () => moderation.lowerHand(person) }];
    if (viewer) offers.unshift({ action: 'let-speak', icon: Megaphone, run: () => moderation.letSpeak(person) });
    return offers;
  }

  private more(): Offer[] {
    const { moderation, person } = this;
    const offers: Offer[] = [];
    const quietViewer = moderation.facts.kind === 'broadcast' && person.role === 'viewer' && !person.maySend;
    if (quietViewer && person.hand === undefined) {
      offers.push({ action: 'let-speak', icon: Megaphone, run: () => moderation.letSpeak(person) });
    }
    if (!quietViewer) {
      const silent = person.microphone !== 'on';
      offers.push(
        { action: 'mute-microphone', icon: MicOff, idle: silent, run: () => moderation.muteMicrophone(person) },
        { action: 'mute-camera', icon: VideoOff, idle: !person.camera, run: () => moderation.muteCamera(person) },
      );
    }
    if (may(moderation.role, 'manage')) {
      offers.push({ action: 'remove', icon: UserMinus, run: () => this.sendOut('remove') });
      offers.push({ action: 'ban', icon: Ban, run: () => this.sendOut('ban') });
    }
    return offers;
  }

  private button({ action, icon, run, idle = false }: Offer) {
    const { i18n, person } = this;
    const busy = idle || this.moderation.busy(action, person.identity);
    const label = i18n.t(`host.${action}`);
    return html`<button
      type="button"
      aria-label=${`${label}: ${person.name}`}
      class=${action === 'remove' || action === 'ban' ? 'grave' : ''}
      data-action=${action}
      aria-disabled=${busy ? 'true' : nothing}
      @click=${() => void (busy || run())}
    >
      <cl-icon .icon=${icon}></cl-icon>${label}
    </button>`;
  }

  private async sendOut(action: 'remove' | 'ban'): Promise<void> {
    const { i18n, moderation, person } = this;
    const sure = await this.confirm.ask({
      heading: i18n.t(`host.${action}.title`, { name: person.name }),
      body: i18n.t(`host.${action}.body`),
      act: i18n.t(`host.${action}`),
      cancel: i18n.t('host.cancel'),
    });
    if (!sure || !(await moderation.remove(person, action === 'ban'))) return;
    this.dispatchEvent(new CustomEvent('gone', { bubbles: true, composed: true }));
  }
}
