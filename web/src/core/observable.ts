/** Something whose readers want to know that it changed; many changes in one turn make one notice. */
export class Observable {
  private readonly watchers = new Set<() => void>();
  private queued = false;

  /** Calls `watcher` after each change until the returned function is called. */
  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => {
      this.watchers.delete(watcher);
    };
  }

  protected changed(): void {
    if (this.queued) return;
    this.queued = true;
    queueMicrotask(() => {
      this.queued = false;
      for (const watcher of [...this.watchers]) watcher();
    });
  }
}
