import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { live } from 'lit/directives/live.js';
import { Volume2 } from 'lucide';
import type { DeviceKind, DeviceList } from '../core/devices';
import { canChooseSpeaker } from '../core/devices';
import type { I18n } from '../core/i18n';
import { playTestSound } from '../core/level';
import './icon';
import { base, buttons, fields } from './styles';
import { Watch } from './watch';

/** Which device of each kind is in use; an empty entry means the browser's default. */
export type Selection = Partial<Record<DeviceKind, string | undefined>>;

export interface DeviceChosen {
  kind: DeviceKind;
  id: string;
}

const names = {
  audioinput: 'device.microphone',
  videoinput: 'device.camera',
  audiooutput: 'device.speaker',
} as const;

/** Lets the reader choose microphone, camera and speaker. Fires `device-chosen`. */
@customElement('cl-device-select')
export class ClDeviceSelect extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      :host {
        display: grid;
        gap: 16px;
      }
      label {
        margin-block-end: 4px;
        font-size: var(--_small);
      }
      .problem {
        color: var(--_danger);
        font-size: var(--_small);
      }
      .test {
        margin-block-start: 8px;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) devices!: DeviceList;
  @property({ attribute: false }) selection: Selection = {};
  @state() private testing: 'no' | 'playing' | 'failed' = 'no';

  constructor() {
    super();
    new Watch(this, () => [this.devices]);
  }

  override render() {
    const kinds: DeviceKind[] = ['audioinput', 'videoinput'];
    if (canChooseSpeaker() && this.devices.of('audiooutput').length > 0) kinds.push('audiooutput');
    return html`${kinds.map((kind) => this.one(kind))}
      <div>
        <button
          type="button"
          class="test"
          aria-disabled=${this.testing === 'playing'}
          @click=${() => void this.test()}
        >
          <cl-icon .icon=${Volume2}></cl-icon>${this.i18n.t(this.testing === 'playing' ? 'device.testing' : 'device.testSound')}
        </button>
        <p class="problem" role="status">${this.testing === 'failed' ? this.i18n.t('device.testFailed') : nothing}</p>
      </div>`;
  }

  private one(kind: DeviceKind) {
    const { i18n } = this;
    const list = this.devices.of(kind);
    const chosen = this.selection[kind] ?? '';
    const known = list.some((d) => d.id === chosen);
    return html`<div part="device">
      <label for=${kind}>${i18n.t(names[kind])}</label>
      <select
        id=${kind}
        ?disabled=${list.length === 0}
        @change=${(e: Event) => this.chosen(kind, (e.target as HTMLSelectElement).value)}
      >
        ${known
          ? nothing
          : html`<option value="" .selected=${true}>
              ${i18n.t(list.length > 0 || this.devices.any(kind) ? 'device.default' : 'device.none')}
            </option>`}
        ${list.map(
          (device, index) =>
            html`<option value=${device.id} .selected=${live(device.id === chosen)}>
              ${device.label || i18n.t('device.unnamed', { number: index + 1 })}
            </option>`,
        )}
      </select>
    </div>`;
  }

  private chosen(kind: DeviceKind, id: string): void {
    if (id) this.dispatchEvent(new CustomEvent<DeviceChosen>('device-chosen', { detail: { kind, id } }));
  }

  private async test(): Promise<void> {
    if (this.testing === 'playing') return;
    this.testing = 'playing';
    try {
      await playTestSound(this.selection.audiooutput);
      this.testing = 'no';
    } catch {
      this.testing = 'failed';
    }
  }
}
