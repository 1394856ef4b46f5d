import type { ReactiveController, ReactiveControllerHost } from 'lit';

/** So near to the end counts as the end, in pixels. */
const near = 48;

/** How the reader takes hold of the list. */
const hold = ['pointerdown', 'touchmove', 'wheel', 'keydown'] as const;

/**
 * Where the reader is in a list that grows at both ends. Who is at the end stays there; who reads something stays with it
 * when something is added before it, or when a picture above it arrives.
 */
export class Place implements ReactiveController {
  atEnd = true;

  private anchor: { selector: string; top: number } | undefined;
  private target: string | undefined;
  private resized: ResizeObserver | undefined;
  private watched: Element | undefined;

  constructor(
    host: ReactiveControllerHost,
    private readonly scroller: () => HTMLElement | null,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.resized = new ResizeObserver(() => this.keep());
    this.watched = undefined;
  }

  hostDisconnected(): void {
    this.resized?.disconnect();
    this.watched = undefined;
  }

  /** How far the end is below what can be seen. */
  get distance(): number {
    const log = this.scroller();
    return log ? log.scrollHeight - log.scrollTop - log.clientHeight : 0;
  }

  /** Looks where the reader is. */
  measure(): boolean {
    this.atEnd = this.distance < near;
    return this.atEnd;
  }

  /** Notes, before the list changes, what the reader looks at. */
  remember(): void {
    const log = this.scroller();
    if (!log || this.target) return;
    const top = log.getBoundingClientRect().top;
    const first = this.items(log).find((item) => item.getBoundingClientRect().bottom > top);
    this.anchor = first && !this.atEnd ? { selector: `[data-seq="${first.dataset['seq'] ?? ''}"]`, top: first.getBoundingClientRect().top } : undefined;
  }

  /** After the list changed: watches it, because messages and pictures get their sizes a little later. */
  settle(): void {
    const log = this.scroller();
    const list = log?.querySelector('ol');
    if (log && list && list !== this.watched) {
      this.resized?.disconnect();
      this.resized?.observe(list);
      this.resized?.observe(log);
      this.watched = list;
      for (const type of hold) log.addEventListener(type, this.letGo, { passive: true });
    }
    this.keep();
  }

  /** At the beginning: the element that is named, or the end. */
  begin(selector: string | undefined): void {
    this.target = selector;
    this.atEnd = selector === undefined;
    if (selector) setTimeout(() => (this.target = undefined), 500);
  }

  toEnd(): void {
    this.target = this.anchor = undefined;
    this.atEnd = true;
    this.keep();
  }

  goTo(selector: string): void {
    this.atEnd = false;
    this.anchor = undefined;
    this.begin(selector);
    this.keep();
  }

  /** The number of the last message of which all, or as much as fits, can be seen. */
  lastSeen(): number {
    const log = this.scroller();
    if (!log) return 0;
    const { top, bottom } = log.getBoundingClientRect();
    const seen = this.items(log).filter((item) => {
      const box = item.getBoundingClientRect();
      return box.height > 0 && box.bottom > top && (box.bottom <= bottom + 4 || (box.top <= top && box.bottom > bottom));
    });
    return Number(seen.at(-1)?.dataset['seq'] ?? 0);
  }

  /** Whether an element is above what can be seen. */
  isAbove(selector: string): boolean {
    const log = this.scroller();
    const box = log?.querySelector(selector)?.getBoundingClientRect();
    return log !== null && box !== undefined && box.bottom < log.getBoundingClientRect().top;
  }

  /** What moves the list from now on is the reader, also when its messages do not have their sizes yet. */
  private readonly letGo = (): void => {
    this.target = undefined;
  };

  private items(log: HTMLElement): HTMLElement[] {
    return [...log.querySelectorAll<HTMLElement>('li[data-seq]')];
  }

  private keep(): void {
    const log = this.scroller();
    if (!log) return;
    if (this.target) {
      const element = log.querySelector(this.target);
      if (element) log.scrollTop += element.getBoundingClientRect().top - log.getBoundingClientRect().top - log.clientHeight / 4;
    } else if (this.atEnd) {
      log.scrollTop = log.scrollHeight;
    } else if (this.anchor) {
      const element = log.querySelector(this.anchor.selector);
      if (element) log.scrollTop += element.getBoundingClientRect().top - this.anchor.top;
    }
  }
}
