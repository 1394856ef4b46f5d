import type { Page } from '@playwright/test';
import { expect, look, mint, test } from './fixtures.ts';
import { goIn } from './kinds.ts';
import { callFrom, makeThread, message, openThread } from './threads.ts';

const rings = (page: Page) => page.locator('cl-ringing [data-call]');

/** Notes in the page that it rang. */
const hearRinging = (): void => {
  globalThis.AudioContext = class extends AudioContext {
    constructor() {
      super();
      (globalThis as unknown as { rang: boolean }).rang = true;
    }
  };
};
const rang = (page: Page): Promise<boolean> => page.evaluate(() => 'rang' in globalThis);

test('a page that is opened while another conversation calls rings too, also after a reload', async ({ server, people }) => {
  const open = await makeThread(server, { ann: 'Ann', bo: 'Bo' }, 'Lost passport in Lima');
  const calls = await makeThread(server, { ann: 'Ann', bo: 'Bo' }, 'Missed flight', ['call:create', 'call:answer']);
  const everywhere = mint({ identity: 'bo', name: 'Bo', chat: { permissions: ['chat:read', 'chat:write', 'call:answer'] } });
  await calls.ask('ann', 'POST', '/call', { ring: 300 });
  const bo = await people.person();
  await openThread(bo, `${server.url}/chat?conversation=${open.id}#token=${everywhere}`);
  await expect(rings(bo)).toContainText('Ann');
  await bo.reload();
  await expect(rings(bo)).toContainText('Ann');
  await bo.getByRole('button', { name: 'Decline' }).click();
  await expect(rings(bo)).toHaveCount(0);
  await bo.reload();
  await expect(bo.locator('[data-link=live]')).toHaveText('Connected');
  await expect(rings(bo)).toHaveCount(0);
});

test('a call rings on every device of who is called, and is declined, taken back, accepted', async ({ server, people }) => {
  test.setTimeout(180_000);
  const thread = await makeThread(server, { ann: 'Ann', bo: 'Bo' }, 'Lost passport in Lima', ['call:create', 'call:answer']);
  const { links } = thread;
  const ann = await people.person();
  const bo = await people.person();
  const tablet = await people.person({ locale: 'ar-MA', colorScheme: 'dark' });
  await tablet.addInitScript(hearRinging);
  await openThread(ann, links['ann']);
  await openThread(bo, links['bo']);
  await tablet.goto(links['bo'] ?? '');
  await expect(tablet.locator('[data-link=live]')).toHaveText('متصل');
  await tablet.locator('cl-thread .log').click();

  await callFrom(ann, thread, 'ann');
  await expect(bo.getByRole('alert')).toContainText('Ann is calling');
  await expect(rings(tablet)).toContainText('Ann');
  await expect.poll(() => rang(tablet)).toBe(true);
  await look(bo, 'ringing');
  await look(tablet, 'ar-ringing');
  await bo.getByRole('button', { name: 'Decline' }).click();
  await expect(rings(bo)).toHaveCount(0);
  await expect(rings(tablet)).toHaveCount(0);
  await expect(tablet.locator('cl-ringing')).toContainText('من جهاز آخر');
  await expect(ann.getByText('The call was declined', { exact: true })).toBeVisible();
  await expect(message(ann, 'A call was declined')).toHaveCount(1);

  await ann.getByRole('button', { name: 'Call', exact: true }).click();
  await expect(rings(bo)).toBeVisible();
  await ann.getByRole('button', { name: 'Stop calling' }).click();
  await expect(bo.getByText('Ann stopped calling')).toBeVisible();
  await expect(ann.getByRole('heading', { level: 1 })).toBeFocused();

  await callFrom(ann, thread, 'ann');
  await expect(rings(bo)).toBeVisible();
  await bo.reload(); // what rings is in the log
  await expect(rings(bo)).toBeVisible();
  await bo.getByRole('button', { name: 'Accept' }).focus();
  await bo.keyboard.press('Enter');
  await bo.waitForURL(`${server.url}/call`);
  await ann.waitForURL(`${server.url}/call`);
  await expect(tablet.locator('cl-ringing')).toContainText('أجبت عن مكالمة');
  await expect(rings(tablet)).toHaveCount(0);
  await goIn(ann);
  await goIn(bo);
  await expect(ann.locator('cl-stage cl-tile[data-identity=bo]')).toBeVisible();
  await expect(bo.locator('cl-stage cl-tile[data-identity=ann]')).toBeVisible();
});
