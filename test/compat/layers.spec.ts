import type { Client, Encoding } from './client.ts';
import { expect, modes, test } from './client.ts';

const [low, medium, high] = [0, 1, 2]; // livekit-client's VideoQuality
const encodings = async (client: Client) => (await client.outbound()).encodings;
const sending = async (client: Client) => (await encodings(client)).filter((e) => e.active).map((e) => e.rid);

for (const mode of modes) {
  test(`check 25: a viewer chooses its layer in ${mode} mode`, async ({ join }) => {
    const room = `layers-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    await ann.publish();
    await ben.receives('ann', 'camera');
    await ben.page.bringToFront();
    await ben.decodes('ann', 1280);
    const negotiated = (await ben.descriptions()).length;
    for (const [method, wanted, width] of [
      ['setVideoQuality', low, 320],
      ['setVideoQuality', high, 1280],
      ['setVideoQuality', medium, 640],
      ['setVideoDimensions', { width: 300, height: 170 }, 320],
      ['setVideoDimensions', { width: 640, height: 360 }, 640],
      ['setVideoDimensions', { width: 900, height: 500 }, 1280],
    ] as const) {
      const { frozen } = await ben.inbound('ann');
      await ben.onTrack('ann', 'camera', method, wanted);
      await ben.decodes('ann', width);
      const standstill = (await ben.inbound('ann')).frozen - frozen;
      test.info().annotations.push({ type: 'standstill', description: `${standstill} s at the change to ${width}` });
      expect(standstill, `seconds of standstill at the change to ${width}`).toBeLessThan(1);
    }
    expect((await ben.descriptions()).length, 'negotiations').toBe(negotiated);
  });
}

test('check 27: nobody encodes what nobody looks at', async ({ join }) => {
  const ann = await join('ann', { room: 'dynacast', options: { dynacast: true } });
  const ben = await join('ben', { room: 'dynacast' });
  await ann.publish();
  await ben.receives('ann', 'camera');
  await ben.page.bringToFront();
  await ben.decodes('ann', 1280);
  expect(await sending(ann)).toEqual(expect.arrayContaining(['q', 'h', 'f']));

  await ben.onTrack('ann', 'camera', 'setVideoQuality', low);
  await expect.poll(() => sending(ann), { message: 'one layer is left' }).toEqual(['q']);
  await ben.decodes('ann', 320);
  await ben.onTrack('ann', 'camera', 'setVideoQuality', high);
  await ben.decodes('ann', 1280);

  await ben.onTrack('ann', 'camera', 'setSubscribed', false);
  await expect.poll(() => sending(ann), { message: 'no layer is left' }).toEqual([]);
  const frames = (list: Encoding[]) => list.reduce((sum, e) => sum + e.frames, 0);
  const stopped = frames(await encodings(ann));
  await ann.page.waitForTimeout(500);
  expect(frames(await encodings(ann)), 'frames encoded for nobody').toBe(stopped);

  // A new viewer starts them again, and gets a keyframe.
  const cleo = await join('cleo', { room: 'dynacast' });
  await cleo.receives('ann', 'camera');
  await cleo.page.bringToFront();
  await cleo.decodes('ann', 1280);
});

test('check 32: the estimate of an upstream connection grows', async ({ join }) => {
  const ann = await join('ann', { room: 'upstream' });
  const ben = await join('ben', { room: 'upstream' });
  await ann.publish();
  const began = Date.now();
  await ben.receives('ann', 'camera');
  await ann.page.bringToFront();
  await expect.poll(async () => (await ann.outbound()).available, { message: 'bit/s' }).toBeGreaterThan(1_500_000);
  const seconds = (Date.now() - began) / 1000;
  // How long it takes says something only on a machine that does nothing else.
  if (process.env['CARELINE_SOAK']) expect(seconds).toBeLessThan(10);
  await ben.page.bringToFront();
  await ben.decodes('ann', 1280);
});
