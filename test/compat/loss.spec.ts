import { expectMovingPicture } from '../e2e/media.ts';
import type { Client } from './client.ts';
import { expect, test as base } from './client.ts';
import type { Relay } from './relay.ts';
import { startRelay } from './relay.ts';

const test = base.extend<{ relay: Relay }>({
  relay: async ({ server }, use) => {
    const relay = await startRelay(server.mediaPort);
    await use(relay);
    relay.close();
  },
});

const seconds = process.env['CARELINE_SOAK'] ? 60 : 8;

test('check 31: a line that loses one packet in twenty', async ({ join, relay }) => {
  test.setTimeout(60_000 + seconds * 1000);
  const ann = await join('ann', { room: 'loss' });
  const ben = await join('ben', { room: 'loss', relayPort: relay.port });
  await ann.publish();
  await ben.receives('ann', 'camera');
  await expectMovingPicture(ben.page, ben.video('ann'));
  relay.loss = 0.05;
  const before = await ben.inbound('ann');
  await ben.page.waitForTimeout(seconds * 1000);
  const after = await ben.inbound('ann');
  relay.loss = 0;
  test.info().annotations.push({ type: 'counted', description: JSON.stringify({ before, after, relay }) });
  expect(relay.lost, 'packets lost').toBeGreaterThan(seconds);
  expect(after.nacks - before.nacks, 'NACKs').toBeGreaterThan(seconds / 2);
  expect(after.repaired - before.repaired, 'retransmissions').toBeGreaterThan(seconds);
  expect(after.plis - before.plis, 'PLIs').toBeLessThan(seconds);
  expect(after.frames - before.frames, 'frames').toBeGreaterThan(seconds * 10);
  await expectMovingPicture(ben.page, ben.video('ann'));
  await ben.hears();
});

test('stream state: a line too narrow for any picture', async ({ join, relay }) => {
  test.setTimeout(120_000);
  const ann = await join('ann', { room: 'narrow' });
  const ben = await join('ben', { room: 'narrow', relayPort: relay.port, connect: { subscriberAllowPause: true } });
  await ann.publish();
  const { sid } = await ben.receives('ann', 'camera');
  await expectMovingPicture(ben.page, ben.video('ann'));
  relay.capacity = 120_000;
  await expect.poll(() => ben.event('stream', { sid, status: 'paused' }), { timeout: 20_000 }).toBeDefined();
  await ben.hears();
  const told = (await ben.events()).length;
  relay.capacity = 0;
  const active = async (client: Client) => (await client.events()).slice(told).some((e) => e.name === 'stream' && e.status === 'active');
  await expect.poll(() => active(ben), { timeout: 30_000 }).toBe(true);
  await ben.decodes('ann');
});
