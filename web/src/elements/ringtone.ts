/** Two soft tones, and how often they come, in milliseconds. */
const tones = [660, 528];
const toneLength = 0.4;
const every = 3000;

/** Rings for as long as it is on, where the page may play sound: browsers let it once somebody has touched it. */
export class Ringtone {
  private context: AudioContext | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;

  set on(on: boolean) {
    if (on === (this.timer !== undefined)) return;
    if (!on) {
      clearInterval(this.timer);
      this.timer = undefined;
      void this.context?.close();
      this.context = undefined;
      return;
    }
    this.timer = setInterval(() => this.ring(), every);
    this.ring();
  }

  private ring(): void {
    // Older browsers do not say whether they were touched; they keep the sound back themselves.
    if ('userActivation' in navigator && !navigator.userActivation.hasBeenActive) return;
    this.context ??= new AudioContext();
    const { context } = this;
    tones.forEach((frequency, n) => {
      const from = context.currentTime + n * toneLength;
      const volume = new GainNode(context, { gain: 0 });
      volume.gain.setValueAtTime(0, from);
      volume.gain.linearRampToValueAtTime(0.2, from + 0.05);
      volume.gain.linearRampToValueAtTime(0, from + toneLength);
      const tone = new OscillatorNode(context, { frequency });
      tone.connect(volume).connect(context.destination);
      tone.start(from);
      tone.stop(from + toneLength);
    });
  }
}
