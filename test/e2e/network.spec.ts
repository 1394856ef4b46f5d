import type { Page } from '@playwright/test';
import { expect, join, look, press, test } from './fixtures.ts';
import { expectMovingPicture } from './media.ts';

const tile = (identity: string) => `cl-stage cl-tile[data-identity="${identity}"]`;

/** Lets the page receive as many bits a second as is said from time to time; to be had before it connects. */
async function narrow(page: Page): Promise<(bits: number) => Promise<void>> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.enable');
  return async (bits) => {
    await devtools.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: bits / 8,
      uploadThroughput: -1,
      packetLoss: 0,
      packetQueueLength: 20,
    });
  };
}

test('good connections are judged in words for each person', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  for (const identity of ['guest-1', 'guest-2']) {
    await expect(one.locator(`${tile(identity)} [data-quality]`)).toHaveText(/^(Excellent|Good) connection$/);
  }
  await press(one, 'People');
  for (const identity of ['guest-1', 'guest-2']) {
    await expect(one.locator(`cl-people-panel [data-identity="${identity}"]`)).toContainText(/(Excellent|Good) connection/);
  }
});

test('a picture that the connection cannot carry stops with its reason and comes back', async ({ server, people }) => {
  test.setTimeout(180_000);
  people.expectTrouble(/ping|signal/i);
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  const limit = await narrow(one);
  await limit(100_000_000);
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await limit(60_000);
  const reason = one.locator(tile('guest-2')).getByText(/Picture paused: your connection is too slow/);
  await expect(reason).toBeVisible({ timeout: 60_000 });
  await expect(one.locator(`${tile('guest-2')} [data-pause=network]`)).toBeVisible();
  await look(one, 'paused');
  await limit(100_000_000);
  await expect(reason).toBeHidden({ timeout: 60_000 });
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
});
