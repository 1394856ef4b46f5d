import type { Tab } from '../e2e/firefox.ts';
import { Firefox, findFirefox } from '../e2e/firefox.ts';
import { mint } from '../e2e/fixtures.ts';
import type { State } from './client.ts';
import { expect, modes, test as base } from './client.ts';

const path = findFirefox();

const test = base.extend<object, { firefox: Firefox }>({
  firefox: [
    async ({}, use) => {
      if (!path) throw new Error('no Firefox');
      const firefox = await Firefox.launch(path);
      await use(firefox);
      await firefox.close();
    },
    { scope: 'worker' },
  ],
});

test.skip(path === undefined, 'no Firefox on this machine: install it, or set FIREFOX to its path');

const state = (tab: Tab) => tab.evaluate(() => window.compat.state() as State);

/** Frames decoded of another's camera, and a number that changes with what is shown of it. Firefox counts no frames of a stream's element. */
function picture(tab: Tab, identity: string): Promise<{ frames: number; mark: number }> {
  return tab.evaluate(async (identity) => {
    const video = document.getElementById(`${identity}-camera`) as HTMLVideoElement | null;
    const track = window.compat.room.remoteParticipants.get(identity)?.getTrackPublication('camera')?.track;
    let frames = 0;
    for (const entry of ((await track?.receiver?.getStats()) as RTCStatsReport | undefined)?.values() ?? []) {
      if ((entry as { type: string }).type === 'inbound-rtp') frames += (entry as { framesDecoded?: number }).framesDecoded ?? 0;
    }
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [160, 90];
    const context = canvas.getContext('2d');
    if (!context) throw new Error('no canvas');
    if (video) context.drawImage(video, 0, 0, canvas.width, canvas.height);
    let mark = 0;
    for (const value of context.getImageData(0, 0, canvas.width, canvas.height).data) mark = (mark * 31 + (value >> 4)) >>> 0;
    return { frames, mark };
  }, identity);
}

/** Waits until Firefox shows pictures that move. */
async function sees(tab: Tab, identity: string): Promise<void> {
  await expect.poll(async () => (await picture(tab, identity)).frames, { message: `Firefox decodes the camera of ${identity}` }).toBeGreaterThan(5);
  const first = await picture(tab, identity);
  await expect.poll(async () => (await picture(tab, identity)).frames - first.frames, { message: 'frames advance' }).toBeGreaterThan(15);
  await expect.poll(async () => (await picture(tab, identity)).mark !== first.mark, { message: 'the picture changes' }).toBe(true);
}

for (const mode of modes) {
  test(`check 37: Firefox and Chromium see, hear and write to each other in ${mode} mode`, async ({ firefox, join, pages, server }) => {
    const room = `firefox-${mode}`;
    const ann = await join('ann', { room, mode });
    await ann.publish();
    const tab = await firefox.tab();
    await tab.goto(pages);
    await expect.poll(() => tab.evaluate(() => window.compat !== undefined)).toBe(true);
    await tab.evaluate(
      ({ url, token, single }) => window.compat.connect(url, token, single ? {} : { singlePeerConnection: false }) as Promise<void>,
      { url: server.url.replace('http', 'ws'), token: mint({ identity: 'fox', room }), single: mode === 'single' },
    );
    expect((await state(tab)).state).toBe('connected');
    await tab.evaluate(() => window.compat.room.localParticipant.enableCameraAndMicrophone() as Promise<void>);

    // Firefox to Chromium. Its fake camera is not Chromium's, so only movement is looked at.
    await ann.receives('fox', 'camera');
    await ann.receives('fox', 'microphone');
    const video = ann.video('fox');
    const frames = () => video.evaluate((v) => (v as HTMLVideoElement).getVideoPlaybackQuality().totalVideoFrames);
    await ann.page.bringToFront();
    await expect.poll(frames, { message: 'Chromium shows the camera of Firefox' }).toBeGreaterThan(30);
    await ann.hears();

    // Chromium to Firefox.
    await sees(tab, 'ann');
    const energy = () => tab.evaluate(() => window.compat.energy() as Promise<number>);
    const before = await energy();
    await expect.poll(async () => (await energy()) - before, { message: 'Firefox hears' }).toBeGreaterThan(0.0001);

    // Data both ways.
    const texts = () => tab.evaluate(() => (window.compat.texts as { text: string }[]).map((t) => t.text));
    await ann.page.evaluate(() => window.compat.room.localParticipant.sendText('to Firefox', { topic: 'lk.chat' }) as Promise<void>);
    await expect.poll(texts).toEqual(['to Firefox']);
    await tab.evaluate(async () => {
      await window.compat.room.localParticipant.sendText('to Chromium', { topic: 'lk.chat' });
    });
    await expect.poll(() => ann.page.evaluate(() => (window.compat.texts as { text: string }[]).map((t) => t.text))).toEqual(['to Chromium']);

    // A resume, and a full reconnect, after which everything flows again.
    for (const scenario of ['signal-reconnect', 'full-reconnect']) {
      const events = (await tab.evaluate(() => (window.compat.events as { name: string }[]).filter((e) => e.name === 'reconnected'))).length;
      await tab.evaluate((scenario) => window.compat.room.simulateScenario(scenario) as Promise<void>, scenario);
      await expect
        .poll(() => tab.evaluate(() => (window.compat.events as { name: string }[]).filter((e) => e.name === 'reconnected').length), { message: scenario })
        .toBe(events + 1);
      await sees(tab, 'ann');
      await ann.receives('fox', 'camera');
      await ann.hears();
    }

    await tab.evaluate(() => window.compat.room.disconnect() as Promise<void>);
    await expect.poll(async () => (await ann.state()).others).toEqual([]);
  });
}
