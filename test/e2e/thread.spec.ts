import { expect, join, look, press, test } from './fixtures.ts';
import { come, goIn } from './kinds.ts';
import { act, field, log, makeThread, membersOf, message, openThread, write } from './threads.ts';

/** A picture of one colour, with a comment that is not to be handed on. */
const picture = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP4z8CAB+GTG8HSALfKY52fTcuYAAAAAElFTkSuQmCC',
  'base64',
);

test('somebody in a call and somebody outside it write to each other', async ({ server, people }) => {
  test.setTimeout(120_000);
  const { links } = await server.callOf('direct', { title: 'Lost passport in Lima' });
  const inside = await people.person();
  await join(inside, links['guest-1'] ?? '');
  await press(inside, 'Chat');
  const outside = await people.person();
  await openThread(outside, links['guest-2']?.replace('/call#', '/chat#'));
  await expect(outside.getByRole('heading', { name: 'Lost passport in Lima', level: 1 })).toBeVisible();

  await write(outside, 'Where are you?');
  await expect(message(inside, 'Where are you?')).toBeVisible();
  await field(inside).pressSequentially('At the');
  await expect(outside.getByText('Guest 1 is writing')).toBeVisible();
  await write(inside, 'At the embassy.');
  await expect(message(outside, 'At the embassy.')).toBeVisible();
  await expect(message(inside, 'At the embassy.').getByText('Read', { exact: true })).toBeVisible();
  await expect(outside.getByText('Guest 1 is writing')).toBeHidden();

  await inside.locator('input[type=file]').setInputFiles({ name: 'visa.png', mimeType: 'image/png', buffer: picture });
  await expect(inside.locator('[data-upload=done]')).toBeVisible();
  await press(inside, 'Chat');
  await expect(log(inside)).toHaveCount(0);
  await press(inside, 'Chat');
  await write(inside, 'My visa');
  await expect(message(outside, 'My visa').getByRole('button', { name: 'Show visa.png larger' })).toBeVisible();

  await outside.locator('input[type=file]').setInputFiles({ name: 'ticket.png', mimeType: 'image/png', buffer: picture });
  await expect(outside.locator('[data-upload=done]')).toBeVisible();
  await write(outside, 'My ticket');
  const shown = message(inside, 'My ticket').getByRole('button', { name: 'Show ticket.png larger' });
  await expect.poll(() => shown.locator('img').evaluate((img: HTMLImageElement) => img.naturalWidth)).toBe(10);
  await shown.click();
  await expect(inside.getByRole('dialog', { name: 'ticket.png' }).locator('img')).toBeVisible();
  const saving = inside.waitForEvent('download');
  await inside.getByRole('dialog').getByRole('button', { name: /^Save/ }).click();
  expect((await saving).suggestedFilename()).toBe('ticket.png');
  await inside.getByRole('dialog').getByRole('button', { name: 'Close' }).click();

  await act(inside, 'Where are you?', 'Reply');
  await write(inside, '**Desk 4**, ask for `A-17`');
  await expect(message(outside, 'Desk 4').locator('.quote')).toContainText('Where are you?');
  await expect(message(outside, 'Desk 4').locator('strong')).toHaveText('Desk 4');
  await act(inside, 'At the embassy.', 'Edit');
  await write(inside, 'At the consulate.');
  await expect(message(outside, 'At the consulate.').getByText('Edited')).toBeVisible();
  await expect(message(outside, 'embassy')).toHaveCount(0);
  await act(outside, 'My ticket', 'Delete');
  await outside.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(message(inside, 'This message was deleted.')).toBeVisible();
  await expect(message(inside, 'My ticket')).toHaveCount(0);

  await outside.getByRole('button', { name: 'Search messages' }).click();
  await outside.getByRole('searchbox').fill('consulate');
  const found = outside.locator('cl-thread-search li button').filter({ hasText: 'At the consulate.' });
  await expect(async () => {
    await outside.keyboard.press('Enter');
    await expect(found).toBeVisible({ timeout: 1000 });
  }).toPass();
  await found.click();
  await expect(log(outside).locator('li.found')).toContainText('At the consulate.');
  await look(inside, 'thread-in-call');
  await look(outside, 'thread-search');
});

test('guests and viewers are in the conversation of their call, an audience once it looks', async ({ server, people }) => {
  test.setTimeout(180_000);
  const { links } = await server.callOf('broadcast', { title: 'Storm in Manila' });
  const host = await people.person();
  await join(host, links['host'] ?? '');
  await press(host, 'Chat');
  await write(host, 'Stay where you are.');
  const viewer = await people.person();
  await come(viewer, links['guests'] ?? '', 'Vera');
  await goIn(viewer);
  await write(host, 'The north gate is open.');
  const members = membersOf(server, links['host'] ?? '');
  await expect(viewer.getByRole('button', { name: 'Chat, 1 new message' })).toBeVisible();
  expect(await members()).not.toContain('Vera');
  await press(viewer, /^Chat/);
  await expect(message(viewer, 'The north gate is open.').locator('.head bdi')).toHaveText('Host');
  await expect(message(viewer, 'Stay where you are.')).toHaveCount(0);
  expect(await members()).toContain('Vera');
  await write(viewer, 'Is the airport open?');
  await expect(message(viewer, 'Is the airport open?').getByText(/^(Sent|Delivered|Read)/)).toBeVisible();
  await expect(message(host, 'Is the airport open?').locator('.head bdi')).toHaveText('Vera');
  await write(host, 'It is closed.');
  await expect(message(viewer, 'It is closed.')).toBeVisible();
  for (const text of ['The north gate is open.', 'Is the airport open?', 'It is closed.']) await expect(message(viewer, text)).toHaveCount(1);

  const conference = await server.callOf('conference');
  const operator = await people.person();
  await join(operator, conference.links['operator'] ?? '');
  await press(operator, 'Chat');
  await write(operator, 'before the guest');
  const guest = await people.person();
  await come(guest, conference.links['guests'] ?? '', 'Gus');
  await goIn(guest);
  await press(guest, 'Chat');
  await write(guest, 'hello from a guest');
  await expect(message(operator, 'hello from a guest').locator('.head bdi')).toHaveText('Gus');
  await write(operator, 'welcome');
  await expect(message(guest, 'welcome')).toBeVisible();
  await expect(message(guest, 'before the guest')).toHaveCount(0);
});

test('a draft and the thread survive a reload, what fails is sent once', async ({ server, people }) => {
  people.expectTrouble(/ERR_INTERNET_DISCONNECTED|WebSocket|Failed to load/);
  const thread = await makeThread(server, { ann: 'Ann', bo: 'Bo' });
  const ann = await people.person();
  const bo = await people.person();
  await openThread(ann, thread.links['ann']);
  await openThread(bo, thread.links['bo']);
  await write(ann, 'one');
  await field(ann).fill('half a sent');
  await ann.reload();
  await expect(message(ann, 'one')).toBeVisible();
  await expect(field(ann)).toHaveValue('half a sent');

  await ann.context().setOffline(true);
  await write(ann, 'two');
  await expect(message(ann, 'two').getByText('Not sent: no connection.')).toBeVisible();
  await message(ann, 'two').getByRole('button', { name: 'Try again' }).click();
  await expect(message(ann, 'two').getByText('Not sent: no connection.')).toBeVisible();
  await look(ann, 'thread-offline');
  await thread.ask('bo', 'POST', '/messages', { text: 'meanwhile' });
  await ann.context().setOffline(false);
  await expect(message(ann, 'meanwhile')).toBeVisible();
  await expect(message(ann, 'two').getByText(/^(Sent|Delivered|Read)$/)).toBeVisible();
  await expect(message(bo, 'two')).toHaveCount(1);
  await expect(message(ann, 'two')).toHaveCount(1);
  await expect(log(bo).locator('li[data-seq]').last()).toContainText('two');
});

test('what is unread begins at a line, in a long conversation too', async ({ server, people }) => {
  test.setTimeout(120_000);
  const thread = await makeThread(server, { ann: 'Ann', bo: 'Bo' });
  for (let n = 1; n <= 130; n++) await thread.ask('bo', 'POST', '/messages', { text: `message ${n}.` });
  await thread.ask('ann', 'PUT', '/receipts', { delivered_seq: 40, read_seq: 40 });
  const ann = await people.person();
  await openThread(ann, thread.links['ann']);
  await expect(log(ann).locator('[data-line]')).toBeInViewport();
  await expect(message(ann, 'message 41.')).toBeInViewport();
  await look(ann, 'thread-unread');
  await ann.getByRole('button', { name: /new messages$/ }).click();
  await expect(message(ann, 'message 130.')).toBeInViewport();
  await log(ann).evaluate((element) => (element.scrollTop = 0));
  await expect(message(ann, 'message 60.')).toBeAttached();
  // Who scrolls back stays where one reads.
  await expect(message(ann, 'message 130.')).not.toBeInViewport();
  await thread.ask('bo', 'POST', '/messages', { text: 'message 131.' });
  await expect(message(ann, 'message 131.')).toBeAttached();
  await expect(message(ann, 'message 131.')).not.toBeInViewport();
});

test('what people write stays text', async ({ server, people }) => {
  const corpus = [
    '<img src=x onerror="globalThis.harmed=1">',
    '<script>globalThis.harmed=1</script>',
    '"><svg onload=globalThis.harmed=1>',
    'javascript:globalThis.harmed=1',
    'https://example.org/"onmouseover="globalThis.harmed=1',
    '${globalThis.harmed=1}{{globalThis.harmed=1}}',
    '</textarea><iframe srcdoc="<script>parent.harmed=1</script>">',
    '\u202e\u2066txt.exe',
  ];
  const thread = await makeThread(server, { ann: 'Ann', evil: corpus[0] ?? '' }, corpus[2]);
  for (const text of corpus) await thread.ask('evil', 'POST', '/messages', { text });
  const evil = await people.person();
  await openThread(evil, thread.links['evil']);
  const name = '<img src=x onerror=harmed=1>.html';
  await evil.locator('input[type=file]').setInputFiles({ name, mimeType: 'text/html', buffer: Buffer.from('<script>globalThis.harmed=1</script>') });
  await expect(evil.locator('[data-upload=done]')).toBeVisible();
  await write(evil, 'a page');
  const ann = await people.person();
  await openThread(ann, thread.links['ann']);
  for (const text of corpus) await expect(log(ann).getByText(text, { exact: true }).first()).toBeAttached();
  await expect(message(ann, 'a page').locator('.name bdi')).toHaveText(name);
  await expect(message(ann, 'a page').locator('.head bdi')).toHaveText(corpus[0] ?? '');
  const saving = ann.waitForEvent('download');
  await message(ann, 'a page').getByRole('button', { name: /^Save/ }).click();
  await saving;
  expect(await log(ann).locator('img, script, svg[onload], iframe, a[href^="javascript"]').count()).toBe(0);
  for (const page of [ann, evil]) expect(await page.evaluate(() => 'harmed' in globalThis)).toBe(false);
});

test('a conversation alone loads nothing of calls', async ({ server, people }) => {
  const thread = await makeThread(server, { ann: 'Ann', bo: 'Bo' }, 'Lost luggage in Oslo');
  const page = await people.person();
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await openThread(page, thread.links['ann']);
  expect(page.url()).toBe(`${server.url}/chat`);
  await write(page, 'Hello');
  await expect(message(page, 'Hello').getByText('Sent')).toBeVisible();
  const scripts = asked.filter((url) => url.endsWith('.js'));
  expect(scripts.length).toBeGreaterThan(0);
  expect(scripts.filter((url) => /livekit|call/.test(url))).toEqual([]);
  expect(await page.evaluate(() => customElements.get('careline-call') === undefined)).toBe(true);

  await page.context().grantPermissions(['geolocation'], { origin: server.url });
  await page.context().setGeolocation({ latitude: 59.9139, longitude: 10.7522, accuracy: 25 });
  await page.getByRole('button', { name: 'Add my location' }).click();
  await expect(page.getByText('Your location, sent only when you press Send')).toBeVisible();
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(log(page).getByText('59.91390, 10.75220')).toBeVisible();
  await look(page, 'thread-alone');

  const stranger = await people.person();
  people.expectTrouble(/404|401/);
  await stranger.goto(`${server.url}/chat`);
  await expect(stranger.getByRole('heading', { name: 'This link is not complete' })).toBeVisible();
  await look(stranger, 'thread-incomplete');
});

test('a conversation in Arabic, from right to left, in the dark', async ({ server, people }) => {
  const thread = await makeThread(server, { ann: 'ليلى', bo: 'Bo' }, 'جواز سفر مفقود');
  await thread.ask('bo', 'POST', '/messages', { text: 'Where are you now?' });
  await thread.ask('ann', 'POST', '/messages', { text: 'أنا في السفارة.', reply_to_seq: 1 });
  const page = await people.person({ locale: 'ar-MA', colorScheme: 'dark' });
  await page.goto(thread.links['ann'] ?? '');
  await expect(page.locator('[data-link=live]')).toHaveText('متصل');
  await expect(page.locator('html')).toHaveAttribute('dir', 'rtl');
  await message(page, 'Where are you now?').first().locator('.more').click();
  await look(page, 'ar-thread');
});
