import { LitElement, css } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import type { Sound } from '../core/people';

/** Plays what is to be heard; shows nothing. */
@customElement('cl-sounds')
export class ClSounds extends LitElement {
  static override styles = css`
    :host {
      display: none;
    }
  `;

  @property({ attribute: false }) sounds: readonly Sound[] = [];

  private readonly playing = new Map<string, { sound: Sound; element: HTMLAudioElement }>();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const sid of [...this.playing.keys()]) this.silence(sid);
  }

  override updated(): void {
    for (const [sid, { sound }] of this.playing) {
      if (!this.sounds.some((s) => s.sid === sid && s.track === sound.track)) this.silence(sid);
    }
    for (const sound of this.sounds) {
      if (this.playing.has(sound.sid)) continue;
      const element = document.createElement('audio');
      element.autoplay = true;
      element.dataset['sid'] = sound.sid;
      this.renderRoot.append(element);
      sound.track.attach(element);
      this.playing.set(sound.sid, { sound, element });
    }
  }

  private silence(sid: string): void {
    const entry = this.playing.get(sid);
    if (!entry) return;
    entry.sound.track.detach(entry.element);
    entry.element.remove();
    this.playing.delete(sid);
  }
}
