import { expect, inCall, join, press, sizes, test } from './fixtures.ts';
import { expectMovingPicture, expectSound, received, sample } from './media.ts';
import { startWire } from './server.ts';

const tile = (identity: string) => `cl-stage cl-tile[data-identity="${identity}"]`;

test('two people from the start page see, hear and write to each other', async ({ server, people }) => {
  const host = await people.person();
  await host.goto(server.url);
  await host.getByRole('button', { name: 'Make a call' }).click();
  await expect(host.getByRole('heading', { name: /is ready/ })).toBeFocused();
  const links = await host.getByRole('link', { name: /^Open/ }).evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).href));
  expect(links).toHaveLength(2);

  const one = await people.person();
  const two = await people.person({ viewport: sizes.phone });
  await join(one, links[0] ?? '');
  await expect(one.getByText('You are the first one here.')).toBeVisible();
  await join(two, links[1] ?? '');

  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await expectMovingPicture(two, two.locator(`${tile('guest-1')} video`));
  await expectSound(one, 'guest-2');
  await expectSound(two, 'guest-1');

  await press(two, 'Chat');
  await two.getByRole('textbox', { name: 'Message' }).fill('Where are you?');
  await two.keyboard.press('Enter');
  await press(one, 'Chat, 1 new message');
  await expect(one.getByRole('log').locator('li[part=message]')).toHaveText([/A call began/, /Guest 2.*Where are you\?/s]);
  await one.getByRole('textbox', { name: 'Message' }).fill('Platform 4, see https://example.org/map.');
  await one.getByRole('button', { name: 'Send' }).click();
  await expect(two.getByRole('log').locator('li[part=message]')).toHaveText([/A call began/, /You.*Where are you\?.*Read/s, /Guest 1.*Platform 4/s]);
  await expect(two.getByRole('link', { name: 'https://example.org/map' })).toHaveAttribute('rel', /noreferrer/);
  await expect(one.getByRole('log').locator('li[part=message]')).toHaveCount(3);
});

test('microphone and camera states are seen by the other side and come back', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));

  await press(two, 'Mic on');
  await expect(two.getByRole('button', { name: 'Mic off' })).toHaveAttribute('aria-pressed', 'false');
  await expect(one.locator(`${tile('guest-2')} [data-microphone=muted]`)).toBeVisible();
  await press(one, 'People');
  await expect(one.locator('cl-people-panel [data-identity="guest-2"]').getByText('Microphone off')).toBeVisible();
  await press(two, 'Mic off');
  await expect(one.locator('cl-people-panel [data-identity="guest-2"]')).toContainText(/Microphone on|Speaking/);
  await expectSound(one, 'guest-2');

  await press(two, 'Camera on');
  await expect(one.locator(`${tile('guest-2')} video`)).toHaveCount(0);
  await expect(one.locator('cl-people-panel [data-identity="guest-2"]')).toContainText('Camera off');
  await press(two, 'Camera off');
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
});

test('audio only stops the pictures and keeps the sound', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));

  await press(one, 'Audio only');
  await expect(one.getByText('No pictures are sent or received.')).toBeVisible();
  await expect(one.locator('cl-stage video')).toHaveCount(0);
  await expect(two.locator(`${tile('guest-1')} video`)).toHaveCount(0);
  // What is still under way may arrive; then the stream stands still.
  await expect
    .poll(async () => {
      const before = (await received(one, 'guest-2', 'video')).bytes;
      await one.waitForTimeout(1000);
      return (await received(one, 'guest-2', 'video')).bytes - before;
    })
    .toBeLessThan(5_000);
  await expectSound(one, 'guest-2');

  await one.getByRole('button', { name: 'Turn pictures on' }).click();
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
});

test('a shared screen is shown large', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  await two.bringToFront();
  await press(two, 'Share screen');
  const screen = one.locator('cl-stage cl-tile[screen] video');
  await one.bringToFront();
  await expect.poll(async () => (await sample(screen)).frames).toBeGreaterThan(0);
  await expect(one.getByText('Screen of Guest 2')).toBeVisible();
  const large = await one.locator('cl-stage cl-tile[screen]').boundingBox();
  expect(large?.width).toBeGreaterThan(900);
  await press(two, 'Stop sharing');
  await expect(one.locator('cl-stage cl-tile[screen]')).toHaveCount(0);
});

test('leaving is seen, and one can join again', async ({ server, people }) => {
  // Who leaves in the same moment as its first track arrives: livekit-client says so, and nothing else happens.
  people.expectTrouble(/add a track for a participant, that's not present/);
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expect(one.getByText('2 people')).toBeVisible();

  await press(two, 'Leave');
  await expect(two.getByRole('heading', { name: 'You have left the call' })).toBeFocused();
  await expect(one.getByText('1 person')).toBeVisible();
  expect(await two.evaluate(() => navigator.mediaDevices.enumerateDevices().then((all) => all.length))).toBeGreaterThan(0);

  await two.getByRole('button', { name: 'Join again' }).click();
  await two.getByRole('button', { name: 'Join call' }).click();
  await inCall(two);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
});

test('a lost socket shows the banner, keeps what is written and delivers it once', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  people.expectTrouble(/websocket|ERR_|Failed to fetch|signal (stream|request)/i);
  const wire = await startWire(server.url);
  await join(one, links[0].url);
  await join(two, links[1].url.replace(server.url, wire.url));

  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await two.bringToFront();
  wire.cut();
  await expect(two.getByText('Reconnecting…').first()).toBeVisible();
  await expect(two.getByText('Messages wait and are sent by themselves.').or(two.getByText('The connection broke.'))).toBeVisible();
  await press(two, 'Chat');
  await two.getByRole('textbox', { name: 'Message' }).fill('Can you read this?');
  await two.keyboard.press('Enter');
  await expect(two.getByText('Waiting to be sent')).toBeVisible();
  wire.mend();
  await inCall(two);
  await expect(two.getByText('Sent', { exact: true })).toBeVisible();
  await press(one, /^Chat/);
  await expect(one.getByRole('log').getByRole('listitem')).toHaveText([/Can you read this\?/]);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  wire.close();
});

test('sound that the browser holds back starts with a tap', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  // Stands for a browser that plays only after a tap: every play() before it is refused.
  await one.addInitScript(() => {
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its element below
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function (this: HTMLMediaElement) {
      const allowed = this instanceof HTMLVideoElement || 'tapped' in window;
      return allowed ? play.call(this) : Promise.reject(new DOMException('play() needs a tap', 'NotAllowedError'));
    };
  });
  await join(two, links[1].url);
  await join(one, links[0].url);
  const tap = one.getByRole('button', { name: 'Tap to hear' });
  await expect(tap).toBeVisible();
  await one.evaluate(() => Object.assign(window, { tapped: true }));
  await tap.click();
  await expect(tap).toBeHidden();
  await expectSound(one, 'guest-2');
});

test('the call is used by keyboard alone', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await join(page, links[0].url);
  const chat = page.getByRole('button', { name: 'Chat' });
  await chat.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('textbox', { name: 'Message' })).toBeFocused();
  await page.keyboard.type('first line');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('second line');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('listitem')).toContainText('first line\nsecond line');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('textbox', { name: 'Message' })).toHaveCount(0);
  await expect(chat).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Leave' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'You have left the call' })).toBeVisible();
});

test('a microphone that is pulled out is said and replaced', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  // Keeps what the page opens within reach, to end it as the browser does when a device goes away.
  await two.addInitScript(() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    const opened: MediaStreamTrack[] = [];
    navigator.mediaDevices.getUserMedia = async (constraints) => {
      const stream = await open(constraints);
      opened.push(...stream.getTracks());
      return stream;
    };
    Object.assign(window, { opened });
  });
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectSound(one, 'guest-2');
  await two.evaluate(() => {
    const { opened } = window as unknown as { opened: MediaStreamTrack[] };
    for (const track of opened.filter((t) => t.kind === 'audio')) {
      track.stop();
      track.dispatchEvent(new Event('ended'));
    }
  });
  await expect(two.getByText('Your microphone was disconnected.')).toBeVisible();
  await expect(two.getByRole('button', { name: 'Mic on' })).toBeVisible();
  await expectSound(one, 'guest-2');
});

test('the screen stays on during the call only', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await page.addInitScript(() => {
    const counts = { asked: 0, released: 0 };
    const lock = { release: () => Promise.resolve(void counts.released++) };
    Object.defineProperty(navigator, 'wakeLock', {
      value: { request: () => Promise.resolve((counts.asked++, lock)) },
    });
    Object.assign(window, { counts });
  });
  const counts = () => page.evaluate(() => (window as unknown as { counts: object }).counts);
  await page.goto(links[0].url);
  expect(await counts()).toEqual({ asked: 0, released: 0 });
  await join(page, links[0].url);
  await expect.poll(counts).toEqual({ asked: 1, released: 0 });
  await press(page, 'Leave');
  await expect.poll(counts).toEqual({ asked: 1, released: 1 });
});

test('messages around a full reconnect arrive, each once', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  people.expectTrouble(/data ?channel|signal|WebSocket|Simulated/i);
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await press(one, 'Chat');
  await press(two, 'Chat');
  const say = async (text: string) => {
    await two.getByRole('textbox', { name: 'Message' }).fill(text);
    await two.keyboard.press('Enter');
  };
  await say('message 1');
  await two.evaluate(async () => {
    const call = document.querySelector('careline-call') as unknown as {
      session: { connectedRoom: { simulateScenario(name: string): Promise<void> } };
    };
    await call.session.connectedRoom.simulateScenario('full-reconnect');
  });
  for (let i = 2; i <= 6; i++) await say(`message ${i}`);
  await inCall(two);
  await expect(two.getByText('Sent', { exact: true })).toHaveCount(6);
  const heard = one.getByRole('log').getByRole('listitem');
  await expect(heard).toHaveCount(6);
  const texts = (await heard.locator('.text').allTextContents()).sort();
  expect(texts).toEqual([1, 2, 3, 4, 5, 6].map((i) => `message ${i}`));
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
});
