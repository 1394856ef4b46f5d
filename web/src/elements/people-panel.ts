import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { IconNode } from 'lucide';
import { AudioLines, Hand, Mic, MicOff, MonitorUp, Video, VideoOff } from 'lucide';
import type { I18n, TextKey } from '../core/i18n';
import type { Moderation } from '../core/moderation';
import type { Person } from '../core/people';
import { listed } from '../core/people';
import './call-actions';
import './host-status';
import './icon';
import './person-actions';
import { qualityIcons } from './quality';
import { base, buttons } from './styles';
import './waiting-list';

/** How many people are listed at once: a broadcast may have a thousand viewers. */
const page = 100;

/** Who is in the call, with the state of each one's microphone and camera in words. */
@customElement('cl-people-panel')
export class ClPeoplePanel extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        padding: 4px 16px 16px;
      }
      li {
        padding-block: 12px;
      }
      li + li {
        border-block-start: 1px solid var(--_line);
      }
      .name {
        font-weight: 600;
        overflow-wrap: anywhere;
      }
      li.speaking {
        border-inline-start: 4px solid var(--_positive);
        margin-inline-start: -16px;
        padding-inline-start: 12px;
      }
      .role {
        font-size: var(--_small);
        font-weight: 400;
        color: var(--_muted);
      }
      .hand {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        margin-block-start: 4px;
        padding: 2px 10px;
        border-radius: 8px;
        background: var(--_warning-surface);
        font-size: var(--_small);
        font-weight: 600;
      }
      .hand cl-icon {
        color: var(--_warning);
      }
      ul:focus {
        outline: none;
      }
      .states {
        display: flex;
        flex-wrap: wrap;
        gap: 4px 16px;
        margin-block-start: 4px;
        font-size: var(--_small);
        color: var(--_muted);
      }
      .states span {
        display: inline-flex;
        align-items: center;
        gap: 6px;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) people: readonly Person[] = [];
  /** For hosts and operators. */
  @property({ attribute: false }) moderation: Moderation | undefined;

  @state() private shown = page;

  override connectedCallback(): void {
    super.connectedCallback();
    // What changed while the list was out of sight.
    void this.moderation?.read();
  }

  override render() {
    const { i18n, moderation } = this;
    const hidden = this.people.length - this.shown;
    return html`${moderation
        ? html`<cl-host-status .i18n=${i18n} .moderation=${moderation}></cl-host-status>
            <cl-waiting-list .i18n=${i18n} .moderation=${moderation} @gone=${() => this.focusList()}></cl-waiting-list>`
        : nothing}
      <ul tabindex="-1" aria-label=${i18n.t('people.title')} @gone=${() => this.focusList()}>
        ${repeat(
          listed(this.people).slice(0, this.shown),
          (p) => p.identity,
          (p) => this.one(p),
        )}
      </ul>
      ${hidden > 0
        ? html`<button type="button" @click=${() => (this.shown += page)}>${i18n.count('people.more', Math.min(page, hidden))}</button>`
        : nothing}
      ${moderation ? html`<cl-call-actions .i18n=${i18n} .moderation=${moderation}></cl-call-actions>` : nothing}`;
  }

  private one(person: Person) {
    const { i18n } = this;
    const microphone: [IconNode, TextKey] =
      person.microphone === 'on'
        ? person.speaking
          ? [AudioLines, 'mic.speaking']
          : [Mic, 'mic.on']
        : [MicOff, person.microphone === 'muted' ? 'mic.muted' : 'mic.none'];
    return html`<li part="person" class=${person.speaking ? 'speaking' : ''} data-identity=${person.identity}>
      <p class="name"><bdi>${person.local ? i18n.t('people.you', { name: person.name }) : person.name}</bdi>${
        person.role && person.role !== 'party' ? html`<span class="role"> · ${i18n.t(`role.${person.role}`)}</span>` : nothing
      }</p>
      ${person.hand === undefined ? nothing : html`<p class="hand"><cl-icon .icon=${Hand}></cl-icon>${i18n.t('hand.up')}</p>`}
      <p class="states">
        ${person.maySend
          ? html`${this.word(...microphone)} ${person.camera ? this.word(Video, 'camera.on') : this.word(VideoOff, 'camera.off')}`
          : nothing}
        ${person.screen ? this.word(MonitorUp, 'screen.on') : nothing}
        ${person.quality === 'unknown' ? nothing : this.word(qualityIcons[person.quality], `quality.${person.quality}`)}
      </p>
      ${this.moderation && !person.local
        ? html`<cl-person-actions .i18n=${i18n} .moderation=${this.moderation} .person=${person}></cl-person-actions>`
        : nothing}
    </li>`;
  }

  /** The row that had the focus is gone. */
  private focusList(): void {
    this.renderRoot.querySelector<HTMLElement>('ul')?.focus();
  }

  private word(icon: IconNode, key: TextKey) {
    return html`<span><cl-icon .icon=${icon}></cl-icon>${this.i18n.t(key)}</span>`;
  }
}
