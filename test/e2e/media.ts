import type { Locator, Page } from '@playwright/test';
import { expect } from './fixtures.ts';

export interface Sample {
  /** Frames decoded so far. */
  frames: number;
  width: number;
  height: number;
  /** Share of pixels in the fake camera's dark green ground, 0 to 1. */
  ground: number;
  /** Share of pixels in the light green of its pie and clock. */
  pie: number;
  /** A number that changes with the picture. */
  mark: number;
}

/** Draws what a video element shows now onto a canvas and measures it. */
export function sample(video: Locator): Promise<Sample> {
  return video.evaluate((element) => {
    const video = element as HTMLVideoElement;
    const canvas = document.createElement('canvas');
    canvas.width = 160;
    canvas.height = 90;
    const context = canvas.getContext('2d');
    if (!context) throw new Error('no canvas');
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let ground = 0;
    let pie = 0;
    let mark = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [red = 0, green = 0, blue = 0] = data.subarray(i, i + 3);
      if (red < 40 && blue < 40 && green > 100 && green < 170) ground++;
      if (green > 200 && blue < 90) pie++;
      mark = (mark * 31 + (green >> 4)) >>> 0;
    }
    const pixels = canvas.width * canvas.height;
    return {
      frames: video.getVideoPlaybackQuality().totalVideoFrames,
      width: video.videoWidth,
      height: video.videoHeight,
      ground: ground / pixels,
      pie: pie / pixels,
      mark,
    };
  });
}

/** A loaded machine decodes few frames a second: so many milliseconds are waited for them. */
const patience = 45_000;

/** Waits until the element shows moving pictures of the fake camera, not only frames. */
export async function expectMovingPicture(page: Page, video: Locator): Promise<void> {
  // A page in the background decodes about one frame a second.
  await page.bringToFront();
  await expect.poll(async () => (await sample(video)).frames, { message: 'frames arrive', timeout: patience }).toBeGreaterThan(5);
  const first = await sample(video);
  await expect.poll(async () => (await sample(video)).frames - first.frames, { message: 'frames advance', timeout: patience }).toBeGreaterThan(15);
  await expect.poll(async () => (await sample(video)).mark !== first.mark, { message: 'the picture changes', timeout: patience }).toBe(true);
  // A browser short of time makes pictures smaller and cuts their edges to a multiple of 16 lines: 480 x 256 is still this camera's.
  const flaw = async () => {
    const { ground, pie, width, height, frames } = await sample(video);
    const good = ground > 0.4 && pie > 0.005 && ground + pie > 0.75 && Math.abs(width / height - 16 / 9) < 0.12;
    return good ? '' : `${String(width)} x ${String(height)}, ground ${ground.toFixed(3)}, pie ${pie.toFixed(3)}, frame ${String(frames)}`;
  };
  await expect.poll(flaw, { message: 'the picture has the colours and the shape of the fake camera', timeout: patience }).toBe('');
}

interface Receiver {
  getTrackPublications(): { kind: string; track?: { receiver?: RTCRtpReceiver } }[];
}

/** Statistics of what the page receives of one participant. */
export function received(page: Page, identity: string, kind: 'audio' | 'video'): Promise<{ energy: number; bytes: number }> {
  return page.evaluate(
    async ([identity, kind]) => {
      const call = document.querySelector('careline-call') as unknown as {
        session: { connectedRoom?: { remoteParticipants: Map<string, Receiver> } };
      };
      const publications = call.session.connectedRoom?.remoteParticipants.get(identity)?.getTrackPublications() ?? [];
      const total = { energy: 0, bytes: 0 };
      for (const publication of publications) {
        const receiver = publication.track?.receiver;
        if (publication.kind !== kind || !receiver) continue;
        for (const report of (await receiver.getStats()).values() as Iterable<Record<string, unknown>>) {
          if (report['type'] !== 'inbound-rtp') continue;
          total.energy += Number(report['totalAudioEnergy'] ?? 0);
          total.bytes += Number(report['bytesReceived'] ?? 0);
        }
      }
      return total;
    },
    [identity, kind] as const,
  );
}

/** Waits until sound with energy in it arrives. */
export async function expectSound(page: Page, identity: string): Promise<void> {
  const before = await received(page, identity, 'audio');
  await expect
    .poll(async () => (await received(page, identity, 'audio')).energy - before.energy, { message: 'audio energy arrives' })
    .toBeGreaterThan(0.0001);
}
