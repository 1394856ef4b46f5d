import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, join, look, test } from './fixtures.ts';
import { come, openPeople } from './kinds.ts';
import { flags } from './playwright.config.ts';

// Looks need few frames: encoding fewer leaves the machine to the checks.
test.use({
  launchOptions: {
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: flags.map((flag) => (flag === '--use-fake-device-for-media-stream' ? `${flag}=fps=10` : flag)),
  },
});

const ar = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../web/src/i18n/ar.json'), 'utf8')) as Record<string, string>;
const text = (key: string): string => ar[key] ?? key;

test('the host and guests in Arabic, from right to left', async ({ server, people }) => {
  test.setTimeout(180_000);
  const { links } = await server.callOf('conference', { title: 'جواز سفر مفقود', waiting_room: true });
  const operator = await people.person();
  await join(operator, links['operator'] ?? '');
  const host = await people.person({ locale: 'ar-MA' });
  await host.goto(links['host'] ?? '');
  const allow = host.getByRole('button', { name: text('prejoin.allow') });
  const go = host.getByRole('button', { name: text('prejoin.join'), exact: true });
  await expect(allow.or(go)).toBeVisible();
  if (await allow.isVisible()) await allow.click();
  await go.click();
  await expect(host.locator('[data-link=steady]')).toHaveText(text('link.steady'));

  const guest = await people.person();
  await come(guest, links['guests'] ?? '', 'ليلى');
  await host.getByRole('button', { name: text('host.seeWho') }).click();
  await expect(host.locator('cl-waiting-list li').getByText('ليلى')).toBeVisible();
  await host.locator('cl-people-panel li[part=person]').filter({ hasText: 'Operator' }).getByRole('button').click();
  await host.getByRole('button', { name: text('host.invite') }).click();
  await expect(host.getByRole('textbox', { name: text('host.link') })).toBeVisible();
  await look(host, 'ar-host');
  await host.getByRole('button', { name: text('host.end') }).click();
  await expect(host.getByRole('dialog', { name: text('host.end.title') })).toBeVisible();
  await look(host, 'ar-host-end');
  await host.getByRole('button', { name: text('host.cancel') }).click();
  await expect(host.getByRole('button', { name: text('host.end') })).toBeFocused();
  await openPeople(operator);
  await operator.getByRole('button', { name: 'Let in: ليلى' }).click();
  await expect(guest.getByRole('button', { name: 'Join call' }).or(guest.getByRole('button', { name: 'Allow camera and microphone' }))).toBeVisible();
});
