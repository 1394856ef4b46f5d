import { expect, join, mint, press, test } from './fixtures.ts';
import { startServer } from './server.ts';

test('a link without a token, an expired one and a forged one say what to do', async ({ server, people }) => {
  people.expectTrouble(/401|WebSocket/);
  const page = await people.person();
  await page.goto(`${server.url}/call`);
  await expect(page.getByRole('heading', { name: 'This link is not complete' })).toBeVisible();

  const hourAgo = Math.floor(Date.now() / 1000) - 3600;
  await page.goto(`${server.url}/call#token=${mint({ identity: 'a', room: 'r', expires: hourAgo })}`);
  await expect(page.getByRole('heading', { name: 'This invitation has expired' })).toBeVisible();
  await expect(page.getByRole('button')).toHaveCount(0);

  await page.goto(`${server.url}/call#token=${mint({ identity: 'a', room: 'r', secret: 'another secret' })}`);
  const allow = page.getByRole('button', { name: 'Allow camera and microphone' });
  const go = page.getByRole('button', { name: 'Join call' });
  await expect(allow.or(go)).toBeVisible();
  if (await allow.isVisible()) await allow.click();
  await go.click();
  await expect(page.getByRole('heading', { name: 'This invitation is not accepted' })).toBeVisible();
});

test('a token that expires between opening and joining is told from a bad one', async ({ server, people }) => {
  people.expectTrouble(/401|WebSocket/);
  const page = await people.person();
  // Past the server's leeway but within the minute that the page leaves to clocks that differ.
  const expires = Math.floor(Date.now() / 1000) - 30;
  await page.goto(`${server.url}/call#token=${mint({ identity: 'a', room: 'r', expires })}`);
  await page.getByRole('button', { name: 'Join without camera and microphone' }).or(page.getByRole('button', { name: 'Join call' })).click();
  await expect(page.getByRole('heading', { name: 'This invitation has expired' })).toBeVisible();
});

test('the same link opened twice moves the call', async ({ server, people }) => {
  // The library's complaint when the server closes its side first.
  people.expectTrouble(/data ?channel/i);
  const { links } = await server.call();
  const first = await people.person();
  const second = await people.person();
  await join(first, links[0].url);
  await join(second, links[0].url);
  await expect(first.getByRole('heading', { name: 'You joined from another place' })).toBeFocused();
  await expect(second.getByText('1 person')).toBeVisible();
});

test('a full room says so and can be tried again', async ({ people }) => {
  people.expectTrouble(/40\d|50\d|WebSocket/);
  const server = await startServer({ CARELINE_ROOM_MAX_PARTICIPANTS: '1' });
  try {
    const { links } = await server.call();
    const one = await people.person();
    await join(one, links[0].url);
    const two = await people.person();
    await two.goto(links[1].url);
    await two.getByRole('button', { name: /^Join/ }).first().click();
    await expect(two.getByRole('heading', { name: 'The call is full' })).toBeVisible();
    await press(one, 'Leave');
    await expect(one.getByRole('heading', { name: 'You have left the call' })).toBeVisible();
    await two.getByRole('button', { name: 'Try again' }).click();
    await join(two, links[1].url);
    await press(two, 'Leave');
    await expect(two.getByRole('heading', { name: 'You have left the call' })).toBeVisible();
  } finally {
    await server.stop();
  }
});

test('a call goes on after a restart of the server', async ({ people }) => {
  test.setTimeout(150_000);
  people.expectTrouble(/ERR_CONNECTION_REFUSED|WebSocket|Failed to fetch|data ?channel|reconnect/i);
  const server = await startServer();
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expect(one.getByText('2 people')).toBeVisible();
  expect(await server.stop()).toBe(0);
  await expect(one.getByText('The connection broke. Reconnecting…')).toBeVisible();
  const again = await startServer({}, server.url);
  try {
    for (const page of [one, two]) {
      await expect(page.getByText('The connection broke. Reconnecting…')).toBeHidden({ timeout: 60_000 });
      await expect(page.getByText('2 people')).toBeVisible({ timeout: 60_000 });
    }
    for (const page of [one, two]) {
      await press(page, 'Leave');
      await expect(page.getByRole('heading', { name: 'You have left the call' })).toBeVisible();
    }
  } finally {
    await again.stop();
  }
});

test('a server that stays away ends the call, and a later try says it cannot be reached', async ({ people }) => {
  test.setTimeout(150_000);
  people.expectTrouble(/ERR_CONNECTION_REFUSED|WebSocket|Failed to fetch|data ?channel|reconnect/i);
  const server = await startServer();
  const { links } = await server.call();
  const page = await people.person();
  await join(page, links[0].url);
  expect(await server.stop()).toBe(0);
  await expect(page.getByRole('heading', { name: 'The connection was lost' })).toBeVisible({ timeout: 90_000 });
  await page.getByRole('button', { name: 'Join again' }).click();
  await page.getByRole('button', { name: /^Join/ }).first().click();
  await expect(page.getByRole('heading', { name: 'The call service cannot be reached' })).toBeVisible({ timeout: 40_000 });
  await expect(page.getByRole('button', { name: 'Try again' })).toBeVisible();
});

test('a link that may only listen says so', async ({ server, people }) => {
  const room = 'listen-only';
  const page = await people.person();
  await page.goto(`${server.url}/call#token=${mint({ identity: 'listener', room, video: { canPublish: false } })}`);
  await expect(page.getByText('no camera and no microphone are needed')).toBeVisible();
  await page.getByRole('button', { name: 'Join call' }).click();
  await expect(page.getByText('This link lets you watch, listen and write')).toBeVisible();
  await expect(page.locator('[data-control=microphone], [data-control=camera], [data-control=screen]')).toHaveCount(0);
});
