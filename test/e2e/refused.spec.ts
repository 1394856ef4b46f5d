import { expect, inCall, join, press, test } from './fixtures.ts';
import { expectMovingPicture } from './media.ts';
import { flags } from './playwright.config.ts';

// A browser that really asks: what a test does not grant is refused.
test.use({
  launchOptions: {
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: flags.filter((flag) => flag !== '--use-fake-ui-for-media-stream'),
  },
});

test('refused camera and microphone are explained, and joining without them works', async ({ server, people }) => {
  const { links } = await server.call();
  const other = await people.person({ permissions: ['camera', 'microphone'] });
  await join(other, links[1].url);
  const page = await people.person({ permissions: ['geolocation'] });
  await page.goto(links[0].url);
  await expect(page.getByRole('heading', { name: 'Camera and microphone are blocked' })).toBeVisible();
  await page.getByRole('button', { name: 'Join without camera and microphone' }).click();
  await inCall(page);
  await expect(page.getByRole('button', { name: 'No mic' })).toHaveAttribute('aria-pressed', 'false');
  await expectMovingPicture(page, page.locator('cl-stage cl-tile[data-identity="guest-2"] video'));

  await press(page, 'No mic');
  await expect(page.getByText('The microphone is blocked')).toBeVisible();
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await expect(page.getByText('The microphone is blocked')).toBeHidden();
});

test('only the refused device is missing', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person({ permissions: ['microphone'] });
  await page.goto(links[0].url);
  const allow = page.getByRole('button', { name: 'Allow camera and microphone' });
  const problem = page.getByRole('heading', { name: 'The camera is blocked' });
  await expect(allow.or(problem)).toBeVisible();
  if (await allow.isVisible()) await allow.click();
  await expect(problem).toBeVisible();
  await expect(page.getByText('Your microphone works.')).toBeVisible();
  await page.getByRole('button', { name: 'Join call' }).click();
  await inCall(page);
  await expect(page.getByRole('button', { name: 'Mic on' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Camera off' })).toBeVisible();
});
