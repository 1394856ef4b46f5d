import type { Page } from '@playwright/test';
import { expect, join, look, mint, press, sizes, test } from './fixtures.ts';
import { expectMovingPicture } from './media.ts';
import { flags } from './playwright.config.ts';

// Looks need few frames: encoding fewer leaves the machine to the checks.
test.use({
  launchOptions: {
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: flags.map((flag) => (flag === '--use-fake-device-for-media-stream' ? `${flag}=fps=10` : flag)),
  },
});

const tile = (identity: string) => `cl-stage cl-tile[data-identity="${identity}"] video`;

async function prejoin(page: Page, url: string): Promise<void> {
  await page.goto(url);
  const allow = page.getByRole('button', { name: 'Allow camera and microphone' });
  await expect(allow.or(page.getByRole('button', { name: 'Join call' }))).toBeVisible();
  if (await allow.isVisible()) await allow.click();
  await expect(page.getByText('Your microphone works.')).toBeVisible();
}

test('the start page', async ({ server, people }) => {
  const page = await people.person();
  await page.goto(server.url);
  await expect(page.getByRole('button', { name: 'Make a call' })).toBeVisible();
  await look(page, 'start');
  await page.getByRole('button', { name: 'Make a call' }).click();
  await expect(page.getByRole('heading', { name: /is ready/ })).toBeVisible();
  await look(page, 'start-made');
});

test('before, in and after a call', async ({ server, people }) => {
  test.setTimeout(240_000);
  const { links } = await server.call('Help for the Rome trip');
  const other = await people.person();
  await join(other, links[1].url);
  const page = await people.person();
  await prejoin(page, links[0].url);
  await look(page, 'prejoin');
  await page.getByRole('button', { name: 'Join call' }).click();
  await expectMovingPicture(page, page.locator(tile('guest-2')));
  await look(page, 'call');
  for (const [name, state] of [
    ['Chat', 'chat-empty'],
    ['People', 'people'],
    ['Settings', 'settings'],
  ] as const) {
    await press(page, name);
    await look(page, state);
    await page.keyboard.press('Escape');
  }
  await press(page, 'Chat');
  await page.getByRole('textbox', { name: 'Message' }).fill('Hello, I missed the last train. What can I do?');
  await page.keyboard.press('Enter');
  await press(other, /^Chat/);
  await other.getByRole('textbox', { name: 'Message' }).fill('Stay where you are. Your hotel: https://example.org/booking/1');
  await other.keyboard.press('Enter');
  await expect(page.getByRole('link', { name: /booking/ })).toBeVisible();
  await look(page, 'chat');
  await page.keyboard.press('Escape');
  await page.setViewportSize(sizes.phone);
  await press(page, 'More');
  await look(page, 'more');
  await page.keyboard.press('Escape');
  await press(page, 'Audio only');
  await expect(page.getByText('No pictures are sent or received.')).toBeVisible();
  await look(page, 'audio-only');
  await press(page, 'Leave');
  await expect(page.getByRole('heading', { name: 'You have left the call' })).toBeVisible();
  await look(page, 'left');
});

test('a call in the dark', async ({ server, people }) => {
  const { links } = await server.call('Help for the Rome trip');
  const page = await people.person({ colorScheme: 'dark' });
  await prejoin(page, links[0].url);
  await look(page, 'prejoin-dark');
  await page.getByRole('button', { name: 'Join call' }).click();
  await expect(page.getByText('You are the first one here.')).toBeVisible();
  await press(page, 'Mic on');
  await press(page, 'Chat');
  await page.getByRole('textbox', { name: 'Message' }).fill('Is anybody there?');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Sent', { exact: true })).toBeVisible();
  await look(page, 'chat-dark');
  await press(page, 'Leave');
  await look(page, 'left-dark');
});

test('a call of three with a shared screen', async ({ server, people }) => {
  test.setTimeout(120_000);
  const room = 'Three of us';
  const names = ['Ana', 'Bo', 'Maria Fernandez Gutierrez de la Vega'];
  const pages: Page[] = [];
  for (const identity of names) {
    const page = await people.person();
    await join(page, `${server.url}/call#token=${mint({ identity, room })}`);
    pages.push(page);
  }
  const [first, second] = pages;
  if (!first || !second) throw new Error('no pages');
  await first.bringToFront();
  await expect(first.getByText('3 people')).toBeVisible();
  await expect(first.locator('cl-stage video')).toHaveCount(3);
  await look(first, 'grid');
  await second.bringToFront();
  await press(second, 'Share screen');
  await first.bringToFront();
  await expect(first.getByText('Screen of Bo')).toBeVisible();
  await look(first, 'share');
});

test('what stands in the way', async ({ server, people }) => {
  const { links } = await server.call();
  const asked = await people.person();
  await asked.addInitScript(() => {
    Object.defineProperty(navigator.permissions, 'query', { value: () => Promise.resolve({ state: 'prompt' }) });
  });
  await asked.goto(links[0].url);
  await expect(asked.getByRole('button', { name: 'Allow camera and microphone' })).toBeVisible();
  await look(asked, 'prejoin-ask');

  const refused = await people.person();
  await refused.addInitScript(() => {
    Object.defineProperty(navigator.mediaDevices, 'getUserMedia', {
      value: () => Promise.reject(new DOMException('no', 'NotAllowedError')),
    });
    Object.defineProperty(navigator.permissions, 'query', { value: () => Promise.resolve({ state: 'denied' }) });
  });
  await refused.goto(links[0].url);
  await expect(refused.getByRole('heading', { name: 'Camera and microphone are blocked' })).toBeVisible();
  await look(refused, 'prejoin-refused');

  const unable = await people.person();
  await unable.addInitScript(() => Reflect.deleteProperty(window, 'RTCPeerConnection'));
  await unable.goto(links[0].url);
  await expect(unable.getByRole('heading', { name: 'This browser cannot make calls' })).toBeVisible();
  await look(unable, 'unable');

  const incomplete = await people.person();
  await incomplete.goto(`${server.url}/call`);
  await expect(incomplete.getByRole('heading', { name: 'This link is not complete' })).toBeVisible();
  await look(incomplete, 'incomplete');
});

test('text of twice the size fits', async ({ server, people }) => {
  test.setTimeout(120_000);
  const { links } = await server.call();
  const other = await people.person();
  await join(other, links[1].url);
  const page = await people.person();
  const enlarge = () => page.evaluate(() => (document.documentElement.style.fontSize = '200%'));
  await prejoin(page, links[0].url);
  await enlarge();
  await look(page, 'prejoin-large');
  await page.getByRole('button', { name: 'Join call' }).click();
  await expectMovingPicture(page, page.locator(tile('guest-2')));
  await look(page, 'call-large');
  await press(page, 'Chat');
  await look(page, 'chat-large');
});
