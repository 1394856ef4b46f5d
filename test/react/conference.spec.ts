import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, resolve } from 'node:path';
import type { Locator, Page } from '../e2e/node_modules/@playwright/test/index.js';
import { callChat } from '../e2e/callchat.ts';
import { expect, mint, test as base } from '../e2e/fixtures.ts';
import { expectMovingPicture } from '../e2e/media.ts';

const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };
const built = resolve(import.meta.dirname, '../../test-results/react-page');

const test = base.extend<object, { origin: string }>({
  // The built page at an origin of its own, as an application's is.
  origin: [
    async ({}, use) => {
      const http = createServer((request, response) => {
        const name = new URL(request.url ?? '/', 'http://page').pathname.replace(/\/$/, '/index.html');
        readFile(resolve(built, `.${name}`)).then(
          (body) => response.setHeader('Content-Type', types[extname(name)] ?? 'application/octet-stream').end(body),
          () => response.writeHead(404).end(),
        );
      }).listen(0, '127.0.0.1');
      await once(http, 'listening');
      const address = http.address();
      if (address === null || typeof address === 'string') throw new Error('serving the page: no address');
      await use(`http://127.0.0.1:${address.port}/`);
      http.closeAllConnections();
      http.close();
    },
    { scope: 'worker' },
  ],
});

const tile = (page: Page, identity: string): Locator => page.locator('.lk-participant-tile').filter({ hasText: identity });

async function say(page: Page, text: string): Promise<void> {
  await page.locator('.lk-chat-form-input').fill(text);
  await page.locator('.lk-chat-form-button').click();
}

test("LiveKit's React components: two people see, hear and write to each other", async ({ people, server, origin }) => {
  // The browser asks for an icon that this page does not have.
  people.expectTrouble(/favicon|status of 404/);
  const enter = async (identity: string): Promise<Page> => {
    const page = await people.person();
    const given = new URLSearchParams({ url: server.url.replace('http', 'ws'), token: mint({ identity, room: 'react' }) });
    await page.goto(`${origin}#${String(given)}`);
    return page;
  };
  const ann = await enter('ann');
  const ben = await enter('ben');
  const pair: [Page, string][] = [
    [ann, 'ben'],
    [ben, 'ann'],
  ];
  for (const [page, other] of pair) {
    await expect(page.locator('.lk-participant-tile')).toHaveCount(2);
    await expectMovingPicture(page, tile(page, other).locator('video'));
    const heard = page.locator('audio');
    await expect(heard).toHaveCount(1);
    await expect.poll(() => heard.evaluate((audio) => (audio as HTMLAudioElement).srcObject !== null && !(audio as HTMLAudioElement).paused)).toBe(true);
  }

  for (const page of [ann, ben]) await page.getByRole('button', { name: 'Chat' }).click();
  await say(ann, 'the train is gone');
  await expect(ben.locator('.lk-chat-entry').filter({ hasText: 'the train is gone' })).toBeVisible();
  await say(ben, 'I booked you a room');
  await expect(ann.locator('.lk-chat-entry').filter({ hasText: 'I booked you a room' })).toBeVisible();

  await ann.getByRole('button', { name: 'Microphone' }).click();
  await expect(tile(ben, 'ann').locator('[data-lk-muted=true]').first()).toBeVisible();

  await ann.locator('.lk-disconnect-button').click();
  await expect(ann.locator('body')).toHaveAttribute('data-left', 'yes');
  await expect(ben.locator('.lk-participant-tile')).toHaveCount(1);
  for (const page of [ann, ben]) expect(await page.evaluate(() => (window as unknown as { errors: string[] }).errors)).toEqual([]);
});

test("LiveKit's React chat in a call whose chat is kept: alone, two, no doubles, and what happens outside", async ({ people, server, origin }) => {
  people.expectTrouble(/favicon|status of 404/);
  const chat = await callChat(server);
  const enter = async (identity: string): Promise<Page> => {
    const page = await people.person();
    const given = new URLSearchParams({ url: server.url.replace('http', 'ws'), token: mint({ identity, room: chat.room }) });
    await page.goto(`${origin}#${String(given)}`);
    await page.getByRole('button', { name: 'Chat' }).click();
    return page;
  };
  const entries = (page: Page) => page.locator('.lk-chat-entry');
  const bodies = (page: Page) => page.locator('.lk-chat-entry .lk-message-body').allTextContents();
  const kept = async () => (await chat.kept()).map((m) => `${m.sender ?? ''}: ${m.text ?? ''}`);

  const ann = await enter('ann');
  await expect(ann.locator('.lk-participant-tile')).toHaveCount(1);
  await say(ann, 'is anybody there?');
  await expect.poll(kept).toEqual(['ann: is anybody there?']);

  const ben = await enter('ben');
  for (const page of [ann, ben]) await expect(page.locator('.lk-participant-tile')).toHaveCount(2);
  await say(ben, 'I am');
  await say(ann, 'good');
  await expect.poll(kept).toEqual(['ann: is anybody there?', 'ben: I am', 'ann: good']);
  await expect.poll(() => bodies(ann)).toEqual(['is anybody there?', 'I am', 'good']);
  await expect.poll(() => bodies(ben)).toEqual(['I am', 'good']);

  const { seq } = (await chat.ask('POST', '/messages', { text: 'hello from outside', client_key: '1' })) as { seq: number };
  for (const page of [ann, ben]) await expect(entries(page).filter({ hasText: 'hello from outside' })).toHaveCount(1);
  await chat.ask('PATCH', `/messages/${seq}`, { text: 'hello again' }, { 'If-Match': '"0"' });
  const good = (await chat.kept()).find((m) => m.text === 'good');
  await chat.ask('PATCH', `/messages/${good?.seq ?? 0}`, { text: 'very good' }, { 'If-Match': '"0"' }, 'ann');
  for (const page of [ann, ben]) {
    await expect(entries(page).filter({ hasText: 'hello again' })).toContainText('edited');
    await expect(entries(page).filter({ hasText: 'hello from outside' })).toHaveCount(0);
  }
  await expect(entries(ben).filter({ hasText: 'very good' })).toContainText('edited');
  await expect.poll(() => bodies(ben)).toEqual(['I am', 'very good', 'hello again']);
  // These components know their own messages as nobody's when they come back: ann's list says what she wrote.
  expect(await bodies(ann)).toEqual(['is anybody there?', 'I am', 'good', 'hello again']);
  for (const page of [ann, ben]) expect(await page.evaluate(() => (window as unknown as { errors: string[] }).errors)).toEqual([]);
});
