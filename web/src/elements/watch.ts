import type { ReactiveController, ReactiveControllerHost } from 'lit';
import type { Observable } from '../core/observable';

/** Renders its element again whenever one of the things it shows has changed, for as long as the element is in a page. */
export class Watch implements ReactiveController {
  private stops: (() => void)[] = [];
  private watched: readonly Observable[] = [];

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly targets: () => readonly (Observable | undefined)[],
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.follow();
  }

  hostUpdate(): void {
    this.follow();
  }

  hostDisconnected(): void {
    for (const stop of this.stops) stop();
    this.stops = [];
    this.watched = [];
  }

  private follow(): void {
    const targets = this.targets().filter((t) => t !== undefined);
    if (targets.length === this.watched.length && targets.every((t, i) => t === this.watched[i])) return;
    this.hostDisconnected();
    this.watched = targets;
    this.stops = targets.map((t) => t.watch(() => this.host.requestUpdate()));
  }
}
