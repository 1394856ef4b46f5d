/** Keeps the screen on while held; the browser lets go when the page is hidden, so it is asked again on return. */
export class WakeLock {
  private held: WakeLockSentinel | undefined;
  private wanted = false;
  private readonly returned = (): void => void this.ask();

  hold(): void {
    if (this.wanted) return;
    this.wanted = true;
    document.addEventListener('visibilitychange', this.returned);
    void this.ask();
  }

  release(): void {
    this.wanted = false;
    document.removeEventListener('visibilitychange', this.returned);
    void this.held?.release().catch(() => undefined);
    this.held = undefined;
  }

  private isWanted(): boolean {
    return this.wanted;
  }

  private async ask(): Promise<void> {
    if (!this.wanted || document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
    try {
      const lock = await navigator.wakeLock.request('screen');
      this.held = lock;
      if (!this.isWanted()) this.release();
    } catch {
      // Low battery or policy: the call goes on with a screen that may darken.
    }
  }
}
