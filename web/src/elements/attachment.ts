import type { PropertyValues } from 'lit';
import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { Download, File as FileIcon, X } from 'lucide';
import type { I18n } from '../core/i18n';
import type { Attachment, ThreadServer } from '../core/thread/api';
import './icon';
import { base, buttons, dialogs } from './styles';

/** Pictures that browsers show and that cannot carry scripts. */
const shownTypes = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif']);

/**
 * One file of a message: a picture as its thumbnail, larger on demand, anything else by its name. What is saved is saved
 * as bytes of no type, so that no browser opens it as a page of this server.
 */
@customElement('cl-attachment')
export class ClAttachment extends LitElement {
  static override styles = [
    base,
    buttons,
    dialogs,
    css`
      :host {
        display: block;
      }
      button.picture {
        padding: 0;
        border-color: var(--_line);
        overflow: hidden;
        max-inline-size: 100%;
      }
      button.picture img {
        display: block;
        max-inline-size: 100%;
        max-block-size: 15rem;
        inline-size: auto;
        block-size: auto;
      }
      .file {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 8px;
      }
      .name {
        flex: 1 1 8rem;
        min-inline-size: 0;
        overflow-wrap: anywhere;
      }
      small {
        display: block;
        font-size: var(--_small);
        color: var(--_muted);
      }
      .problem {
        flex: 1 1 100%;
        font-size: var(--_small);
        color: var(--_danger);
      }
      dialog {
        inline-size: fit-content;
        max-inline-size: calc(100vw - 32px);
        max-block-size: calc(100dvh - 32px);
        padding: 12px;
      }
      dialog img {
        display: block;
        max-inline-size: 100%;
        max-block-size: calc(100dvh - 9rem);
        margin-inline: auto;
      }
      dialog .actions {
        display: flex;
        flex-wrap: wrap;
        justify-content: end;
        gap: 8px;
        margin-block-start: 12px;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) api!: ThreadServer;
  @property({ attribute: false }) file!: Attachment;
  @state() private thumbnail = '';
  @state() private whole = '';
  @state() private busy = false;
  @state() private failed = false;
  @query('dialog') private readonly dialog!: HTMLDialogElement;

  override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get('file');
    if (changed.has('file') && before?.id !== this.file.id) void this.preview();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const url of [this.thumbnail, this.whole]) if (url) URL.revokeObjectURL(url);
    this.thumbnail = this.whole = '';
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) void this.preview();
  }

  override render() {
    return html`${this.thumbnail ? this.picture() : this.row()}
      ${this.failed ? html`<p class="problem" role="alert">${this.i18n.t('file.failed')}</p>` : nothing}
      <dialog aria-label=${this.file.name} @close=${() => this.closed()}>
        ${this.whole ? html`<img src=${this.whole} alt=${this.file.name} />` : nothing}
        <div class="actions">${this.saver()}
          <button type="button" @click=${() => this.dialog.close()}><cl-icon .icon=${X}></cl-icon>${this.i18n.t('file.close')}</button>
        </div>
      </dialog>`;
  }

  private picture() {
    return html`<button type="button" class="picture" aria-label=${this.i18n.t('file.open', { name: this.file.name })} ?disabled=${this.busy} @click=${() => void this.enlarge()}>
      <img src=${this.thumbnail} alt="" />
    </button>`;
  }

  private row() {
    const { file, i18n } = this;
    return html`<div class="file">
      <cl-icon .icon=${FileIcon}></cl-icon>
      <span class="name"><bdi>${file.name}</bdi><small>${i18n.bytes(file.size)}</small></span>
      ${this.saver()}
    </div>`;
  }

  private saver() {
    return html`<button type="button" ?disabled=${this.busy} @click=${() => void this.save()}>
      <cl-icon .icon=${Download}></cl-icon><span>${this.i18n.t('file.save')}<span class="unseen">: ${this.file.name}</span></span>
    </button>`;
  }

  private async preview(): Promise<void> {
    if (!shownTypes.has(this.file.type)) return;
    try {
      this.thumbnail = await this.address(this.api.thumbnail(this.file.id), 'image/jpeg');
    } catch {
      // No thumbnail: the file is shown by its name.
    }
  }

  private async enlarge(): Promise<void> {
    await this.fetching(async () => {
      this.whole = await this.address(this.api.file(this.file.id), this.file.type);
      this.dialog.showModal();
    });
  }

  private async save(): Promise<void> {
    await this.fetching(async () => {
      const link = document.createElement('a');
      link.href = await this.address(this.api.file(this.file.id), 'application/octet-stream');
      link.download = this.file.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    });
  }

  private async fetching(work: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.failed = false;
    try {
      await work();
    } catch {
      this.failed = true;
    } finally {
      this.busy = false;
    }
  }

  /** An address of the bytes for this page alone, under a type that the caller trusts. */
  private async address(file: Promise<Blob>, type: string): Promise<string> {
    return URL.createObjectURL(new Blob([await file], { type }));
  }

  private closed(): void {
    URL.revokeObjectURL(this.whole);
    this.whole = '';
  }
}
