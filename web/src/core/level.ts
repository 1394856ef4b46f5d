/** Measures how loud a microphone is. Owns its audio context; `close` ends it. */
export class LevelMeter {
  private readonly context = new AudioContext();
  private readonly analyser = this.context.createAnalyser();
  private readonly samples: Float32Array<ArrayBuffer>;

  constructor(track: MediaStreamTrack) {
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.context.createMediaStreamSource(new MediaStream([track])).connect(this.analyser);
    // Some browsers begin suspended until the first tap.
    void this.context.resume().catch(() => undefined);
  }

  /** The level now, 0 (silence, below -60 dBFS) to 1 (full scale). */
  read(): number {
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    const decibels = 10 * Math.log10(sum / this.samples.length + 1e-12);
    return Math.min(1, Math.max(0, (decibels + 60) / 60));
  }

  close(): void {
    void this.context.close().catch(() => undefined);
  }
}

/** Plays two short tones on the given output device, or on the default one. */
export async function playTestSound(deviceId: string | undefined): Promise<void> {
  const context = new AudioContext();
  const speaker = new Audio();
  try {
    const sink = context.createMediaStreamDestination();
    const loudness = context.createGain();
    loudness.gain.value = 0.2;
    loudness.connect(sink);
    speaker.srcObject = sink.stream;
    if (deviceId && 'setSinkId' in speaker) await speaker.setSinkId(deviceId);
    await speaker.play();
    for (const [index, frequency] of [523, 659].entries()) {
      const tone = context.createOscillator();
      tone.frequency.value = frequency;
      tone.connect(loudness);
      tone.start(context.currentTime + index * 0.4);
      tone.stop(context.currentTime + index * 0.4 + 0.35);
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  } finally {
    speaker.srcObject = null;
    await context.close();
  }
}
