import { expect, inCall, join, mint, press, test } from './fixtures.ts';

test('the token leaves the address bar, survives a reload and reaches nobody else', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  const carriers: string[] = [];
  page.on('request', (request) => {
    const carried = request.url() + JSON.stringify(request.headers());
    if (carried.includes(links[0].token)) carriers.push(new URL(request.url()).pathname);
  });
  await join(page, links[0].url);
  expect(page.url()).toBe(`${server.url}/call`);
  await page.reload();
  await expect(page.getByText('You will be seen as Guest 1.')).toBeVisible();
  await page.getByRole('button', { name: /Join call/ }).click();
  await inCall(page);
  expect(carriers.filter((path) => !path.startsWith('/rtc'))).toEqual([]);
  expect(server.log()).not.toContain(links[0].token);
});

test('a machine without devices can join', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await page.addInitScript(() => {
    const missing = () => Promise.reject(new DOMException('none', 'NotFoundError'));
    Object.defineProperty(navigator.mediaDevices, 'getUserMedia', { value: missing });
    Object.defineProperty(navigator.mediaDevices, 'enumerateDevices', { value: () => Promise.resolve([]) });
    Object.defineProperty(navigator.permissions, 'query', { value: () => Promise.resolve({ state: 'granted' }) });
  });
  await page.goto(links[0].url);
  await expect(page.getByRole('heading', { name: 'No microphone found' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'No camera found' })).toBeVisible();
  await page.getByRole('button', { name: 'Join without camera and microphone' }).click();
  await inCall(page);
});

test('devices can be switched off and chosen before the call', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await page.goto(links[0].url);
  const allow = page.getByRole('button', { name: 'Allow camera and microphone' });
  const camera = page.getByRole('button', { name: 'Camera on' });
  await expect(allow.or(camera)).toBeVisible();
  if (await allow.isVisible()) await allow.click();
  await camera.click();
  await expect(page.getByText('Your camera is off.')).toBeVisible();
  const microphones = page.getByRole('combobox', { name: 'Microphone' });
  await microphones.selectOption({ index: 1 });
  const chosen = await microphones.inputValue();
  await page.getByRole('button', { name: 'Join call' }).click();
  await inCall(page);
  await expect(page.getByRole('button', { name: 'Camera off' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Mic on' })).toBeVisible();
  await press(page, 'Settings');
  await expect(page.getByRole('combobox', { name: 'Microphone' })).toHaveValue(chosen);
});

test('a browser that cannot make calls says what to do', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person({ permissions: ['clipboard-read', 'clipboard-write'] });
  await page.addInitScript(() => Reflect.deleteProperty(window, 'RTCPeerConnection'));
  await page.goto(links[0].url);
  await expect(page.getByRole('heading', { name: 'This browser cannot make calls' })).toBeVisible();
  await page.getByRole('button', { name: 'Copy the link' }).click();
  await expect(page.getByRole('button', { name: 'Link copied' })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(links[0].url);
});

test('a browser that forbids copying shows the link', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await page.addInitScript(() => {
    Reflect.deleteProperty(window, 'RTCPeerConnection');
    Reflect.deleteProperty(Navigator.prototype, 'clipboard');
  });
  await page.goto(links[0].url);
  await page.getByRole('button', { name: 'Copy the link' }).click();
  await expect(page.getByRole('textbox')).toHaveValue(links[0].url);
  await expect(page.getByRole('textbox')).toBeFocused();
});

test('a page without TLS says why there is no camera and lets one join', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await page.addInitScript(() => {
    Object.defineProperty(window, 'isSecureContext', { value: false });
    Object.defineProperty(Navigator.prototype, 'mediaDevices', { get: () => undefined });
    Reflect.deleteProperty(Navigator.prototype, 'mediaDevices');
    Reflect.deleteProperty(Crypto.prototype, 'randomUUID');
  });
  await page.goto(links[0].url);
  await expect(page.getByRole('heading', { name: 'Camera and microphone need a secure page' })).toBeVisible();
  await page.getByRole('button', { name: 'Join without camera and microphone' }).click();
  await inCall(page);
  await press(page, 'Chat');
  await page.getByRole('textbox', { name: 'Message' }).fill('only text');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Sent', { exact: true })).toBeVisible();
});

test('a second link in the same tab takes the place of the first', async ({ server, people }) => {
  const { links, room } = await server.call();
  const page = await people.person();
  await page.goto(links[0].url);
  await expect(page.getByText('You will be seen as Guest 1.')).toBeVisible();
  await page.goto(`${server.url}/call#token=${mint({ identity: 'Ana', room })}`);
  await expect(page.getByText('You will be seen as Ana.')).toBeVisible();
});
