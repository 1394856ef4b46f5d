import { LitElement } from 'lit';
import { customElement, property } from 'lit/decorators.js';

/** How often it is asked whether the host has let somebody in, in milliseconds. */
const askEvery = 3000;

/** Asks for as long as it is in the page whether the reader may come in by now. Fires `let-in` once. */
@customElement('cl-let-in')
export class ClLetIn extends LitElement {
  @property({ attribute: false }) ask!: () => Promise<boolean>;
  private timer = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    this.wait();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  private wait(): void {
    this.timer = window.setTimeout(() => void this.try(), askEvery);
  }

  private async try(): Promise<void> {
    const may = await this.ask();
    if (!this.isConnected) return;
    if (may) this.dispatchEvent(new CustomEvent('let-in'));
    else this.wait();
  }
}
