/** How large one's own picture is sent: up to 720, 360 or 180 lines. */
export type Sending = 'high' | 'medium' | 'low';

export const sendings: readonly Sending[] = ['high', 'medium', 'low'];

const sizes = {
  high: { width: 1280, height: 720, frameRate: 30 },
  medium: { width: 640, height: 360, frameRate: 30 },
  low: { width: 320, height: 180, frameRate: 15 },
} as const;

/** How long a camera is given to deliver its first frame in a new size, and how often it is asked, in milliseconds. */
const longestSettling = 1000;
const settlingStep = 20;

export function isSending(value: string | undefined): value is Sending {
  return value !== undefined && Object.hasOwn(sizes, value);
}

/** What one's own camera shall deliver. */
export interface Capture {
  sending: Sending;
  /** Undefined leaves it to the system. */
  blur: boolean | undefined;
}

/** Constraints on the camera without the choice of one; all are wishes that no camera fails for. */
export function captureConstraints({ sending, blur }: Capture): MediaTrackConstraints {
  const { width, height, frameRate } = sizes[sending];
  return {
    width: { ideal: width },
    height: { ideal: height },
    frameRate: { ideal: frameRate },
    ...(blur === undefined ? {} : { backgroundBlur: { ideal: blur } }),
  };
}

/** The same as options of livekit-client, which passes what it does not know on to the browser. */
export function captureOptions({ sending, blur }: Capture): { resolution: { width: number; height: number; frameRate: number } } {
  return { resolution: { ...sizes[sending] }, ...(blur === undefined ? {} : { backgroundBlur: { ideal: blur } }) };
}

/** Changes an open camera and waits until its settings tell so; throws what the browser throws. */
export async function recapture(track: MediaStreamTrack, capture: Capture): Promise<void> {
  const before = track.getSettings().height;
  const constraints = track.getConstraints();
  delete constraints.backgroundBlur;
  await track.applyConstraints({ ...constraints, ...captureConstraints(capture) });
  // Browsers tell the new size with the first frame of it. A camera that has only one size never does.
  if (before === sizes[capture.sending].height) return;
  for (let waited = 0; waited < longestSettling && track.getSettings().height === before; waited += settlingStep) {
    await new Promise((resolve) => setTimeout(resolve, settlingStep));
  }
}
