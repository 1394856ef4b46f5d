import type { PropertyValues } from 'lit';
import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { CircleAlert, Copy, LoaderCircle, PhoneOff } from 'lucide';
import { DeviceList, localChoices, obstacle } from '../core/devices';
import type { EndingKind } from '../core/ending';
import { askWhy, canRejoin } from '../core/ending';
import { I18n, loadLanguage } from '../core/i18n';
import type { Texts } from '../core/i18n';
import { Preview } from '../core/preview';
import type { JoinMedia } from '../core/preview';
import { CallSession } from '../core/session';
import type { SessionOptions } from '../core/session';
import { readToken } from '../core/token';
import './call-view';
import './icon';
import './let-in';
import './notice-page';
import './prejoin';
import { base, buttons, fields, tokens, whole } from './styles';
import { Watch } from './watch';

const neverBegan = new Set<EndingKind>(['failed', 'unreachable', 'full', 'locked', 'waiting']);

/**
 * A whole call in one tag: `<careline-call token="..." server-url="https://...">`.
 *
 * Removing the element leaves the call. Fires `call-joined` and `call-ended` (with the kind of the ending).
 */
@customElement('careline-call')
export class CarelineCall extends LitElement {
  static override styles = [
    tokens,
    base,
    buttons,
    fields,
    whole,
    css`
      main.alone label {
        flex: 1 1 100%;
      }
      main.alone {
        display: grid;
        min-block-size: 100%;
      }
    `,
  ];

  /** The join token. A new one begins anew. */
  @property() token = '';
  /** Where the call is; the page's own server when empty. */
  @property({ attribute: 'server-url' }) serverUrl = '';
  /** The reader's name, shown where the token carries none. */
  @property() name = '';
  /** The whole link, for "Copy the link" in a browser that cannot make calls. */
  @property({ attribute: false }) link = '';
  /** Texts that replace the built-in ones, by key. */
  @property({ attribute: false }) strings: Texts = {};
  @property({ attribute: false }) options: SessionOptions = {};
  /** The language of the texts; the page's own when empty. */
  @property({ attribute: 'lang' }) language = '';

  /** The running call, for programs beside the page. */
  @state() session = new CallSession();

  @state() private i18n = new I18n();
  /** False until the language is loaded: nothing is shown in another one first. */
  @state() private spoken = false;
  @state() private copied = false;
  @state() private copyByHand = false;
  /** Asked once, because livekit-client brings shims that would change the answer. */
  private readonly obstacle = obstacle();
  private preview!: Preview;
  private readonly choices = localChoices();
  private readonly devices = new DeviceList('mediaDevices' in navigator ? navigator.mediaDevices : undefined);
  private lastPhase: CallSession['phase'] = 'idle';

  constructor() {
    super();
    new Watch(this, () => [this.session]);
    this.addEventListener('language-chosen', (e) => (this.lang = (e as CustomEvent<string>).detail));
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.devices.start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.devices.stop();
    // Moving the element within the page disconnects it only for a moment.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.preview.stop();
      void this.session.leave();
    });
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('language') || changed.has('strings')) void this.speak();
    if (changed.has('token') || changed.has('options')) this.begin();
  }

  override updated(): void {
    const { phase } = this.session;
    if (phase === this.lastPhase) return;
    this.lastPhase = phase;
    if (phase === 'connected') this.dispatchEvent(new CustomEvent('call-joined'));
    if (phase === 'ended') {
      this.dispatchEvent(new CustomEvent<EndingKind>('call-ended', { detail: this.session.ending ?? 'left' }));
    }
  }

  override render() {
    const { i18n, session } = this;
    if (!this.spoken) return nothing;
    if (this.obstacle === 'no-webrtc') return this.unsupported();
    const ending = this.endingNow();
    if (ending) return this.over(ending);
    const facts = readToken(this.token);
    switch (session.phase) {
      case 'connecting':
        return html`<main class="alone" lang=${i18n.lang}>
          <cl-notice-page
            announce
            .icon=${LoaderCircle}
            heading=${i18n.t('connecting.title')}
            body=${i18n.t('connecting.body')}
          >
            <button type="button" @click=${() => void session.leave()}>${i18n.t('connecting.cancel')}</button>
          </cl-notice-page>
        </main>`;
      case 'connected':
        return html`<cl-call-view
          lang=${i18n.lang}
          exportparts="call, header, connection, stage, tile, screen, label, video, notice, controls, control, microphone, camera, chat, leave, panel, log, message, bubble, fate, file, composer, typing, person"
          .i18n=${i18n}
          .session=${session}
          .devices=${this.devices}
          room=${facts?.room ?? ''}
        ></cl-call-view>`;
      default:
        return html`<main lang=${i18n.lang}>
          <cl-prejoin
            exportparts="prejoin, preview, problem, level"
            .i18n=${i18n}
            .preview=${this.preview}
            .devices=${this.devices}
            .obstacle=${this.obstacle}
            .maySend=${facts?.maySend ?? true}
            name=${this.shownName()}
            room=${facts?.room ?? ''}
            @join=${(e: CustomEvent<JoinMedia>) => void session.join(this.serverUrl || location.origin, this.token, e.detail)}
          ></cl-prejoin>
        </main>`;
    }
  }

  private unsupported() {
    const { i18n } = this;
    return html`<main class="alone" lang=${i18n.lang}>
      <cl-notice-page
        .icon=${CircleAlert}
        heading=${i18n.t('obstacle.no-webrtc.title')}
        body=${i18n.t('obstacle.no-webrtc.body')}
      >
        ${this.link
          ? html`<button type="button" class="primary" @click=${() => void this.copy()}>
              <cl-icon .icon=${Copy}></cl-icon>${i18n.t(this.copied ? 'obstacle.copied' : 'obstacle.copy')}
            </button>`
          : nothing}
        ${this.copyByHand
          ? html`<label>
              <span>${i18n.t('obstacle.byHand')}</span>
              <input readonly dir="ltr" .value=${this.link} />
            </label>`
          : nothing}
      </cl-notice-page>
    </main>`;
  }

  private over(ending: EndingKind) {
    const { i18n } = this;
    return html`<main class="alone" lang=${i18n.lang}>
      <cl-notice-page
        ?announce=${this.session.phase === 'ended'}
        data-ending=${ending}
        .icon=${ending === 'left' ? PhoneOff : CircleAlert}
        heading=${i18n.t(`ending.${ending}.title`)}
        body=${i18n.t(`ending.${ending}.body`)}
        next=${i18n.t(`ending.${ending}.next`)}
      >
        ${canRejoin(ending)
          ? html`<button type="button" class="primary" @click=${() => this.begin()}>
              ${i18n.t(neverBegan.has(ending) ? 'ending.retry' : 'ending.again')}
            </button>`
          : nothing}
        ${ending === 'waiting' ? html`<cl-let-in .ask=${() => this.letIn()} @let-in=${() => this.begin()}></cl-let-in>` : nothing}
      </cl-notice-page>
    </main>`;
  }

  /** Whether the server would take this join now. */
  private async letIn(): Promise<boolean> {
    return (await askWhy(this.serverUrl || location.origin, this.token))?.status === 200;
  }

  /** How the call ended, or why it cannot begin: without a token, or with one whose time is over. */
  private endingNow(): EndingKind | undefined {
    if (this.session.phase === 'ended') return this.session.ending;
    if (this.session.phase !== 'idle') return undefined;
    const facts = readToken(this.token);
    if (!facts) return 'incomplete';
    // Clocks of phones differ: only a token long over is not even tried.
    return facts.expires !== undefined && facts.expires < Date.now() - 60_000 ? 'expired' : undefined;
  }

  private shownName(): string {
    const facts = readToken(this.token);
    return facts?.name || this.name || facts?.identity || '';
  }

  private begin(): void {
    const previous = this.session;
    void previous.leave();
    if (this.hasUpdated) this.preview.stop();
    this.preview = new Preview(
      'mediaDevices' in navigator ? navigator.mediaDevices : undefined,
      'permissions' in navigator ? navigator.permissions : undefined,
      this.choices,
    );
    this.session = new CallSession(this.options, undefined, this.choices);
    if (this.obstacle !== 'no-webrtc' && this.token && !this.endingNow()) this.session.warm();
  }

  private async speak(): Promise<void> {
    this.i18n = await loadLanguage(this.language || document.documentElement.lang || 'en', this.strings);
    this.dir = this.i18n.dir;
    this.spoken = true;
  }

  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.link);
      this.copied = true;
    } catch {
      // Apps that show pages inside themselves often forbid it: then the link can be copied by hand.
      this.copyByHand = true;
      await this.updateComplete;
      this.renderRoot.querySelector('input')?.select();
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'careline-call': CarelineCall;
  }
}
