import type { Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, join, look, mint, press, sizes, test } from './fixtures.ts';
import { expectMovingPicture } from './media.ts';
import { flags } from './playwright.config.ts';
import { field, makeThread, message, openThread, write } from './threads.ts';

// Looks need few frames: encoding fewer leaves the machine to the checks.
test.use({
  launchOptions: {
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: flags.map((flag) => (flag === '--use-fake-device-for-media-stream' ? `${flag}=fps=10` : flag)),
  },
});

const ar = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../web/src/i18n/ar.json'), 'utf8')) as Record<string, string>;
const text = (key: string): string => ar[key] ?? key;

async function joinInArabic(page: Page): Promise<void> {
  const allow = page.getByRole('button', { name: text('prejoin.allow') });
  const go = page.getByRole('button', { name: text('prejoin.join'), exact: true });
  await expect(allow.or(go)).toBeVisible();
  if (await allow.isVisible()) await allow.click();
  await expect(page.getByText(text('prejoin.heard'))).toBeVisible();
  await look(page, 'ar-prejoin');
  await go.click();
  await expect(page.locator('[data-link=steady]')).toHaveText(text('link.steady'));
}

/** Presses one of the call's buttons by its id, through "More" where there is little room. */
async function pressControl(page: Page, id: string): Promise<void> {
  const button = page.locator(`[data-control="${id}"]`);
  if (!(await button.first().isVisible())) await page.locator('[data-control="more"]').click();
  await button.last().click();
}

test('a browser in Arabic gets the pages in Arabic, from right to left', async ({ server, people }) => {
  test.setTimeout(180_000);
  const room = 'رحلة روما';
  const other = await people.person();
  await join(other, `${server.url}/call#token=${mint({ identity: 'Sofia', room })}`);
  const page = await people.person({ locale: 'ar-MA' });
  await page.goto(`${server.url}/call#token=${mint({ identity: 'ليلى', room })}`);
  await joinInArabic(page);
  await expect(page.locator('html')).toHaveAttribute('dir', 'rtl');
  await expect(page.locator('html')).toHaveAttribute('lang', 'ar');
  await expect(page).toHaveTitle(`${text('page.call')} - Careline`);
  await expectMovingPicture(page, page.locator('cl-stage cl-tile[data-identity="Sofia"] video'));
  await look(page, 'ar-call');

  // The own picture is at the left, and panels open at the left of the stage.
  const own = await page.locator('cl-tile.corner').boundingBox();
  expect(own?.x).toBeLessThan(sizes.desk.width / 4);
  await pressControl(page, 'people');
  await expect(page.locator('cl-people-panel [data-identity="Sofia"]')).toContainText(text('camera.on'));
  await look(page, 'ar-people');
  const panel = await page.locator('aside').boundingBox();
  expect(panel?.x).toBe(0);
  expect(panel?.width).toBeLessThan(sizes.desk.width / 2);
  await pressControl(page, 'settings');
  await look(page, 'ar-settings');
  await pressControl(page, 'chat');
  await page.getByRole('textbox', { name: text('chat.message') }).fill('فاتني القطار الأخير إلى Napoli.');
  await page.keyboard.press('Enter');
  await press(other, /^Chat/);
  await expect(other.getByText('فاتني القطار')).toBeVisible();
  await other.getByRole('textbox', { name: 'Message' }).fill('Stay where you are: https://example.org/booking/1');
  await other.keyboard.press('Enter');
  await expect(page.getByRole('link', { name: /booking/ })).toBeVisible();
  await look(page, 'ar-chat');
  await page.keyboard.press('Escape');
  await page.locator('cl-tile[data-identity="Sofia"]').getByRole('combobox').selectOption('paused');
  await expect(page.getByText(text('pause.chosen'))).toBeVisible();
  await look(page, 'ar-paused');
  await pressControl(page, 'leave');
  await expect(page.getByRole('heading', { name: text('ending.left.title') })).toBeFocused();
  await look(page, 'ar-left');
});

test('a screen shared in Arabic', async ({ server, people }) => {
  test.setTimeout(120_000);
  const room = 'ثلاثة';
  const page = await people.person();
  await page.goto(`${server.url}/call?lang=ar#token=${mint({ identity: 'ليلى', room })}`);
  await page.getByRole('button', { name: text('prejoin.allow') }).or(page.getByRole('button', { name: text('prejoin.join'), exact: true })).click();
  const go = page.getByRole('button', { name: text('prejoin.join'), exact: true });
  const state = page.locator('[data-link=steady]');
  await expect(go.or(state)).toBeVisible();
  if (await go.isVisible()) await go.click();
  await expect(state).toHaveText(text('link.steady'));
  for (const identity of ['Bo', 'Maria Fernandez Gutierrez de la Vega']) {
    const other = await people.person();
    await join(other, `${server.url}/call#token=${mint({ identity, room })}`);
    if (identity === 'Bo') {
      await other.bringToFront();
      await press(other, 'Share screen');
    }
  }
  await page.bringToFront();
  await expect(page.locator('cl-tile[screen] video')).toBeVisible();
  await expect(page.locator('cl-stage cl-tile:not([screen])')).toHaveCount(3);
  await look(page, 'ar-share');
});

test('the language is chosen in the page, kept for later visits, and may be in the link', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await page.goto(links[0].url);
  await expect(page.getByRole('heading', { name: 'Ready to join?' })).toBeVisible();
  await page.getByRole('combobox', { name: 'Language' }).selectOption('ar');
  await expect(page.getByRole('heading', { name: text('prejoin.title') })).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('dir', 'rtl');
  await page.reload();
  await expect(page.getByRole('heading', { name: text('prejoin.title') })).toBeVisible();
  await page.goto(`${server.url}/call?lang=en`);
  await expect(page.getByRole('heading', { name: 'Ready to join?' })).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('dir', 'ltr');
  // Chosen against the address: the address follows, and a reload keeps it.
  await page.getByRole('combobox', { name: 'Language' }).selectOption('ar');
  await expect(page).toHaveURL(`${server.url}/call?lang=ar`);
  await page.reload();
  await expect(page.getByRole('heading', { name: text('prejoin.title') })).toBeVisible();
  await page.getByRole('combobox', { name: text('language.label') }).selectOption('en');
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
  await join(page, `${server.url}/call#token=${links[0].token}`);
  await press(page, 'Settings');
  await page.getByRole('combobox', { name: 'Language' }).selectOption('ar');
  await expect(page.locator('[data-link=steady]')).toHaveText(text('link.steady'));
});

test('a conversation is read on in the language that is chosen in it', async ({ server, people }) => {
  const { links } = await makeThread(server, { ann: 'Ann', bo: 'Bo' });
  const page = await people.person();
  await openThread(page, links['ann']);
  await write(page, 'a whole sentence');
  await expect(message(page, 'a whole sentence')).toHaveCount(1);
  await field(page).fill('half a sen');
  await page.getByRole('combobox', { name: 'Language' }).selectOption('ar');
  await expect(page.locator('html')).toHaveAttribute('dir', 'rtl');
  await expect(page).toHaveTitle(`${text('page.chat')} - Careline`);
  const written = page.getByRole('textbox', { name: text('chat.message'), exact: true });
  await expect(written).toHaveValue('half a sen');
  await expect(message(page, 'a whole sentence')).toHaveCount(1);
  await page.reload();
  await expect(page.locator('[data-link=live]')).toHaveText(text('thread.link.live'));
  await expect(written).toHaveValue('half a sen');
  await page.getByRole('combobox', { name: text('language.label') }).selectOption('en');
  await expect(field(page)).toHaveValue('half a sen');
});

test('a guest is received in Arabic', async ({ server, people }) => {
  people.expectTrouble(/40[0-9]/);
  const page = await people.person({ locale: 'ar' });
  await page.goto(`${server.url}/call#invite=unknown`);
  await expect(page.getByRole('heading', { name: text('invited.title') })).toBeVisible();
  await look(page, 'ar-invited');
  await page.getByRole('combobox', { name: text('language.label') }).selectOption('en');
  await expect(page.getByRole('heading', { name: 'You are invited to a call' })).toBeVisible();
  await page.getByRole('combobox', { name: 'Language' }).selectOption('ar');
  await page.getByRole('textbox', { name: text('invited.name') }).fill('ليلى');
  await page.getByRole('button', { name: text('invited.enter') }).click();
  await expect(page.getByRole('heading', { name: text('invited.invalid.title') })).toBeFocused();
});

test('the start page in Arabic', async ({ server, people }) => {
  const page = await people.person({ locale: 'ar' });
  await page.goto(server.url);
  await page.getByRole('button', { name: text('start.make') }).click();
  await expect(page.locator('#made')).toBeFocused();
  await expect(page).toHaveTitle(`${text('page.start')} - Careline`);
  await look(page, 'ar-start');
  await page.getByRole('combobox', { name: text('language.label') }).selectOption('en');
  await expect(page.getByRole('heading', { name: 'Make a call' })).toBeVisible();
  await expect(page.locator('#made')).toBeVisible();
});
