import type { Page } from '@playwright/test';
import { expect, inCall, join, press, sizes, test } from './fixtures.ts';
import { expectMovingPicture, expectSound, received, sample } from './media.ts';

const tile = (identity: string) => `cl-stage cl-tile[data-identity="${identity}"]`;
const choiceOf = (page: Page, name: string) => page.getByRole('combobox', { name: `Quality of the picture of ${name}` });
const widthOf = async (page: Page, identity: string) => (await sample(page.locator(`${tile(identity)} video`))).width;

/** Bytes of pictures that arrive within a second. */
async function flow(page: Page, identity: string): Promise<number> {
  const before = (await received(page, identity, 'video')).bytes;
  await page.waitForTimeout(1000);
  return (await received(page, identity, 'video')).bytes - before;
}

test('each picture arrives as large as its viewer chooses, and not at all when paused', async ({ server, people }) => {
  test.setTimeout(120_000);
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  const width = () => widthOf(one, 'guest-2');
  const large = 1280;
  await expect.poll(width, { message: 'the automatic choice fills the window' }).toBe(large);

  await choiceOf(one, 'Guest 2').selectOption('Low');
  await expect.poll(width).toBe(large / 4);
  await choiceOf(one, 'Guest 2').selectOption('Medium');
  await expect.poll(width).toBe(large / 2);

  await choiceOf(one, 'Guest 2').selectOption('Pause picture');
  const notice = one.locator(tile('guest-2')).getByText('You paused this picture.');
  await expect(notice).toBeVisible();
  await expect(one.locator(`${tile('guest-2')} video`)).toHaveCount(0);
  await expect.poll(() => flow(one, 'guest-2'), { message: 'no more pictures are sent' }).toBeLessThan(5_000);
  await expectSound(one, 'guest-2');
  await press(one, 'People');
  await expect(one.locator('cl-people-panel [data-identity="guest-2"]')).toContainText('Camera on');
  await one.keyboard.press('Escape');

  await one.getByRole('button', { name: 'Show picture' }).click();
  await expect(notice).toBeHidden();
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await expect(choiceOf(one, 'Guest 2')).toHaveValue('auto');
  await expect.poll(width).toBe(large);
});

test('a picture wanted high arrives in full size in a small window', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person({ viewport: sizes.phone });
  const two = await people.person();
  await join(two, links[1].url);
  await join(one, links[0].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await press(one, 'Chat');
  const width = () => widthOf(one, 'guest-2');
  await one.keyboard.press('Escape');
  await one.setViewportSize({ width: 240, height: 400 });
  await expect.poll(width, { message: 'a small window gets a small picture' }).toBeLessThan(1280);
  await choiceOf(one, 'Guest 2').selectOption('High');
  await expect.poll(width).toBe(1280);
});

interface Call {
  session: { connectedRoom: { localParticipant: { sid: string }; simulateScenario(name: string): Promise<void> } };
}
declare function roomOf(): Call['session']['connectedRoom'];

test('a choice outlives a full reconnect', async ({ server, people }) => {
  test.setTimeout(120_000);
  people.expectTrouble(/data ?channel|signal|WebSocket|Simulated/i);
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  for (const page of [one, two]) {
    await page.addInitScript(() => {
      const roomOf = () => (document.querySelector('careline-call') as unknown as Call).session.connectedRoom;
      Object.assign(window, { roomOf });
    });
  }
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await choiceOf(one, 'Guest 2').selectOption('Low');
  await expect.poll(() => widthOf(one, 'guest-2')).toBe(320);
  for (const page of [two, one]) {
    const sid = () => page.evaluate(() => roomOf().localParticipant.sid);
    const before = await sid();
    await page.evaluate(() => roomOf().simulateScenario('full-reconnect'));
    await expect.poll(sid).not.toBe(before);
    await inCall(page);
  }
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await expect(choiceOf(one, 'Guest 2')).toHaveValue('low');
  // Cameras that restart may begin in another size, of which the smallest layer is another one too.
  await expect.poll(() => widthOf(one, 'guest-2')).toBeLessThan(500);
});

test('one chooses how large the own picture is sent', async ({ server, people }) => {
  test.setTimeout(120_000);
  // A picture that arrives in the moment in which it is sent anew: livekit-client says so, and takes the new one.
  people.expectTrouble(/could not find published track/);
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  const width = () => widthOf(one, 'guest-2');

  await press(two, 'Settings');
  const sending = two.getByRole('combobox', { name: 'Quality of the picture that I send' });
  await sending.selectOption('medium');
  await one.bringToFront();
  await expect.poll(width).toBe(640);
  await two.bringToFront();
  await sending.selectOption('low');
  await one.bringToFront();
  await expect.poll(width).toBe(320);
  await expect(two.getByRole('button', { name: 'Camera on' })).toBeVisible();

  // The camera comes back as chosen, and larger where larger was chosen while it was off.
  await press(two, 'Camera on');
  await expect(one.locator(`${tile('guest-2')} video`)).toHaveCount(0);
  await press(two, 'Camera off');
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  expect(await width()).toBe(320);
  await press(two, 'Camera on');
  await expect(one.locator(`${tile('guest-2')} video`)).toHaveCount(0);
  await two.bringToFront();
  await sending.selectOption('high');
  await press(two, 'Camera off');
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await expect.poll(width).toBeGreaterThan(320);
});

test('saving data makes pictures small both ways, also in the next call', async ({ server, people }) => {
  test.setTimeout(120_000);
  people.expectTrouble(/could not find published track|add a track for a participant, that's not present/);
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await join(one, links[0].url);
  await join(two, links[1].url);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await press(two, 'Settings');
  const saving = two.getByRole('checkbox', { name: 'Save data' });
  await saving.check();
  await expect(two.getByRole('combobox', { name: 'Quality of the picture that I send' })).toBeDisabled();
  await expect.poll(() => widthOf(two, 'guest-1')).toBe(320);
  await one.bringToFront();
  await expect.poll(() => widthOf(one, 'guest-2')).toBe(320);
  await expectSound(one, 'guest-2');

  await two.bringToFront();
  await press(two, 'Leave');
  await two.getByRole('button', { name: 'Join again' }).click();
  await two.getByRole('button', { name: 'Join call' }).click();
  await inCall(two);
  await expect.poll(() => widthOf(two, 'guest-1')).toBe(320);
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  expect(await widthOf(one, 'guest-2')).toBe(320);
  await two.bringToFront();
  await press(two, 'Settings');
  await saving.uncheck();
  await expect.poll(() => widthOf(two, 'guest-1')).toBeGreaterThan(320);
  await one.bringToFront();
  await expect.poll(() => widthOf(one, 'guest-2')).toBeGreaterThan(320);
});
