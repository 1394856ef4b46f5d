import { LitElement, css, html } from 'lit';
import { customElement, query, state } from 'lit/decorators.js';
import { base, buttons, dialogs } from './styles';

/** What is asked before something that cannot be taken back. */
export interface Question {
  heading: string;
  body: string;
  /** The button that does it, and the one that does not. */
  act: string;
  cancel: string;
}

/** Asks once, in the page itself. */
@customElement('cl-confirm')
export class ClConfirm extends LitElement {
  static override styles = [
    base,
    buttons,
    dialogs,
    css`
      dialog {
        inline-size: min(26rem, calc(100vw - 32px));
        padding: 20px;
      }
      h2 {
        overflow-wrap: anywhere;
      }
      p {
        margin-block: 8px 20px;
      }
      div {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
      }
      button {
        flex: 1 1 auto;
      }
    `,
  ];

  @state() private question: Question = { heading: '', body: '', act: '', cancel: '' };
  @query('dialog') private readonly dialog!: HTMLDialogElement;
  private answer: ((yes: boolean) => void) | undefined;

  /** Shows the question and waits for the answer. The focus goes back to where it was. */
  async ask(question: Question): Promise<boolean> {
    this.answer?.(false);
    this.question = question;
    await this.updateComplete;
    this.dialog.showModal();
    return new Promise((resolve) => (this.answer = resolve));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.settle(false);
  }

  override render() {
    const { heading, body, act, cancel } = this.question;
    return html`<dialog aria-labelledby="heading" aria-describedby="body" @close=${() => this.settle(false)} @keydown=${(e: Event) => e.stopPropagation()}>
      <h2 id="heading">${heading}</h2>
      <p id="body">${body}</p>
      <div>
        <button type="button" autofocus @click=${() => this.dialog.close()}>${cancel}</button>
        <button type="button" class="danger" @click=${() => this.agree()}>${act}</button>
      </div>
    </dialog>`;
  }

  private agree(): void {
    this.settle(true);
    this.dialog.close();
  }

  private settle(yes: boolean): void {
    this.answer?.(yes);
    this.answer = undefined;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'cl-confirm': ClConfirm;
  }
}
