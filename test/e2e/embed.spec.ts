import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, test } from './fixtures.ts';
import { startServer } from './server.ts';
import { callFrom, makeThread, message, write } from './threads.ts';

/** The site of somebody else, with a page that has one conversation in it. */
async function startSite(): Promise<{ url: string; show: (html: string) => void; close: () => void }> {
  let page = '';
  const site = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(request.url === '/' ? `<!doctype html><html lang="en"><title>A trip</title><link rel="icon" href="data:,">${page}</html>` : '');
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  const address = site.address();
  if (address === null || typeof address === 'string') throw new Error('starting a site: no address');
  return { url: `http://127.0.0.1:${address.port}`, show: (html) => (page = html), close: () => site.close() };
}

test('a conversation in the page of another site, where the server allows it', async ({ people }) => {
  people.expectTrouble(/CORS|Failed to load|ERR_FAILED/);
  const [friend, stranger] = [await startSite(), await startSite()];
  const server = await startServer({ CARELINE_HTTP_ALLOWED_ORIGINS: friend.url });
  try {
    const thread = await makeThread(server, { ann: 'Ann', bo: 'Bo' }, 'Lost luggage in Oslo', ['call:create']);
    const token = new URL(thread.links['ann'] ?? '').hash.replace('#token=', '');
    for (const site of [friend, stranger]) {
      site.show(`<style>html, body { height: 100%; margin: 0; }</style><careline-chat server-url="${server.url}" token="${token}"></careline-chat>
        <script type="module" src="${server.url}/assets/chat.js"></script>`);
    }
    const page = await people.person();
    await page.goto(friend.url);
    await expect(page.locator('[data-link=live]')).toHaveText('Connected');
    await write(page, 'Hello from another site');
    await expect(message(page, 'Hello from another site').getByText('Sent')).toBeVisible();
    await page.locator('input[type=file]').setInputFiles({ name: 'trip.txt', mimeType: 'text/plain', buffer: Buffer.from('a plan') });
    await expect(page.locator('[data-upload=done]')).toBeVisible();

    // The way into a call is the site's to use.
    const opened = page.evaluate(
      () =>
        new Promise((resolve) => {
          document.querySelector('careline-chat')?.addEventListener('call-open', (event) => {
            event.preventDefault();
            resolve((event as CustomEvent<{ url: string }>).detail.url);
          });
        }),
    );
    await callFrom(page, thread, 'ann');
    const other = await people.person();
    await other.goto(thread.links['bo'] ?? '');
    await other.getByRole('button', { name: 'Call', exact: true }).click();
    await other.waitForURL(`${server.url}/call`);
    expect(await opened).toContain(`${server.url}/call#token=`);
    expect(new URL(page.url()).origin).toBe(friend.url);

    const elsewhere = await people.person();
    await elsewhere.goto(stranger.url);
    await expect(elsewhere.getByText('The server does not answer.')).toBeVisible();
    await expect(elsewhere.locator('cl-thread .log')).toHaveCount(0);
  } finally {
    for (const site of [friend, stranger]) site.close();
    expect(await server.stop()).toBe(0);
  }
});
