import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { IconNode } from 'lucide';
import { AudioLines, Mic, MicOff, MonitorUp, Video, VideoOff } from 'lucide';
import type { I18n, TextKey } from '../core/i18n';
import type { Person } from '../core/people';
import './icon';
import { qualityIcons } from './quality';
import { base } from './styles';

/** Who is in the call, with the state of each one's microphone and camera in words. */
@customElement('cl-people-panel')
export class ClPeoplePanel extends LitElement {
  static override styles = [
    base,
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

  override render() {
    return html`<ul>
      ${repeat(
        this.people,
        (p) => p.identity,
        (p) => this.one(p),
      )}
    </ul>`;
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
      <p class="name"><bdi>${person.local ? i18n.t('people.you', { name: person.name }) : person.name}</bdi></p>
      <p class="states">
        ${this.word(...microphone)} ${person.camera ? this.word(Video, 'camera.on') : this.word(VideoOff, 'camera.off')}
        ${person.screen ? this.word(MonitorUp, 'screen.on') : nothing}
        ${person.quality === 'unknown' ? nothing : this.word(qualityIcons[person.quality], `quality.${person.quality}`)}
      </p>
    </li>`;
  }

  private word(icon: IconNode, key: TextKey) {
    return html`<span><cl-icon .icon=${icon}></cl-icon>${this.i18n.t(key)}</span>`;
  }
}
