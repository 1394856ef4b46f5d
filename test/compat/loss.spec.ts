import { expectMovingPicture } from '../e2e/media.ts';
import type { Client } from './client.ts';
import { expect, test as base } from './client.ts';
import type { Line } from './line.ts';
import { startLine } from './line.ts';

const test = base.extend<{ line: Line }>({
  line: async ({ server }, use) => {
    const line = await startLine(server.mediaPort);
    await use(line);
    line.close();
  },
});

const seconds = process.env['CARELINE_SOAK'] ? 60 : 8;

test('check 31: a line that loses one packet in twenty', async ({ join, line }) => {
  test.setTimeout(60_000 + seconds * 1000);
  const ann = await join('ann', { room: 'loss' });
  const ben = await join('ben', { room: 'loss', linePort: line.port });
  await ann.publish();
  await ben.receives('ann', 'camera');
  await expectMovingPicture(ben.page, ben.video('ann'));
  line.loss = 0.05;
  const before = await ben.inbound('ann');
  await ben.page.waitForTimeout(seconds * 1000);
  const after = await ben.inbound('ann');
  line.loss = 0;
  test.info().annotations.push({ type: 'counted', description: JSON.stringify({ before, after, line }) });
  expect(line.lost, 'packets lost').toBeGreaterThan(seconds);
  expect(after.nacks - before.nacks, 'NACKs').toBeGreaterThan(seconds / 2);
  expect(after.repaired - before.repaired, 'retransmissions').toBeGreaterThan(seconds);
  expect(after.plis - before.plis, 'PLIs').toBeLessThan(seconds);
  expect(after.frames - before.frames, 'frames').toBeGreaterThan(seconds * 10);
  await expectMovingPicture(ben.page, ben.video('ann'));
  await ben.hears();
});

test('stream state: a line too narrow for any picture', async ({ join, line }) => {
  test.setTimeout(120_000);
  const ann = await join('ann', { room: 'narrow' });
  const ben = await join('ben', { room: 'narrow', linePort: line.port, connect: { subscriberAllowPause: true } });
  await ann.publish();
  const { sid } = await ben.receives('ann', 'camera');
  await expectMovingPicture(ben.page, ben.video('ann'));
  line.capacity = 120_000;
  await expect.poll(() => ben.event('stream', { sid, status: 'paused' }), { timeout: 20_000 }).toBeDefined();
  await ben.hears();
  const told = (await ben.events()).length;
  line.capacity = 0;
  const active = async (client: Client) => (await client.events()).slice(told).some((e) => e.name === 'stream' && e.status === 'active');
  await expect.poll(() => active(ben), { timeout: 30_000 }).toBe(true);
  await ben.decodes('ann');
});
