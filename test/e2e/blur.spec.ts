import type { Page } from '@playwright/test';
import { expect, join, press, test } from './fixtures.ts';
import { expectMovingPicture } from './media.ts';

const tile = (identity: string) => `cl-stage cl-tile[data-identity="${identity}"]`;
const blur = (page: Page) => page.getByRole('checkbox', { name: 'Blur my background' });

/** Stands for a system whose cameras can blur: no browser on Linux can. `able` are the values that the camera offers. */
function offerBlur(page: Page, able: boolean[]): Promise<unknown> {
  return page.addInitScript((able: boolean[]) => {
    /* eslint-disable @typescript-eslint/unbound-method -- each is called with its object below */
    const states = new WeakMap<MediaStreamTrack, boolean>();
    const asked = new WeakMap<MediaStreamTrack, ConstrainBoolean>();
    const { getSupportedConstraints } = MediaDevices.prototype;
    const { getCapabilities, getConstraints, getSettings, applyConstraints } = MediaStreamTrack.prototype;
    /* eslint-enable @typescript-eslint/unbound-method */
    MediaDevices.prototype.getSupportedConstraints = function () {
      return { ...getSupportedConstraints.call(this), backgroundBlur: true };
    };
    MediaStreamTrack.prototype.getCapabilities = function () {
      return { ...getCapabilities.call(this), ...(this.kind === 'video' ? { backgroundBlur: able } : {}) };
    };
    MediaStreamTrack.prototype.getSettings = function () {
      const on = states.get(this) ?? (able.length === 1 && able[0] === true);
      return { ...getSettings.call(this), ...(this.kind === 'video' ? { backgroundBlur: on } : {}) };
    };
    MediaStreamTrack.prototype.getConstraints = function () {
      const backgroundBlur = asked.get(this);
      return { ...getConstraints.call(this), ...(backgroundBlur === undefined ? {} : { backgroundBlur }) };
    };
    MediaStreamTrack.prototype.applyConstraints = async function (constraints) {
      const { backgroundBlur, ...rest } = constraints ?? {};
      await applyConstraints.call(this, rest);
      if (backgroundBlur === undefined) asked.delete(this);
      else asked.set(this, backgroundBlur);
      const wanted = typeof backgroundBlur === 'object' ? (backgroundBlur.exact ?? backgroundBlur.ideal) : backgroundBlur;
      if (wanted !== undefined && able.includes(wanted)) states.set(this, wanted);
    };
    Object.assign(window, {
      blurOfCall: () => {
        const call = document.querySelector('careline-call') as unknown as { session: { own: { cameraTrack?: MediaStreamTrack } } };
        return call.session.own.cameraTrack?.getSettings().backgroundBlur;
      },
    });
  }, able);
}

const sent = (page: Page) => page.evaluate(() => (window as unknown as { blurOfCall(): boolean | undefined }).blurOfCall());

async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  const allow = page.getByRole('button', { name: 'Allow camera and microphone' });
  await expect(allow.or(page.getByRole('button', { name: 'Join call' }))).toBeVisible();
  if (await allow.isVisible()) await allow.click();
}

test('where the background cannot be blurred, the reason is said', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await join(page, links[0].url);
  await press(page, 'Settings');
  await expect(blur(page)).toBeDisabled();
  await expect(blur(page)).not.toBeChecked();
  await expect(blur(page)).toHaveAccessibleDescription(/This (browser cannot blur|camera or system does not offer)/);

  const old = await people.person();
  await old.addInitScript(() => {
    MediaDevices.prototype.getSupportedConstraints = () => ({ width: true });
  });
  await open(old, links[1].url);
  await expect(blur(old)).toBeDisabled();
  await expect(blur(old)).toHaveAccessibleDescription(/This browser cannot blur backgrounds/);

  const fixed = await people.person();
  await offerBlur(fixed, [true]);
  await open(fixed, links[1].url);
  await expect(blur(fixed)).toBeDisabled();
  await expect(blur(fixed)).toBeChecked();
  await expect(blur(fixed)).toHaveAccessibleDescription(/switched on in the settings of your system/);
});

test('the background is blurred where it can be, from the first picture on and after every restart', async ({ server, people }) => {
  const { links } = await server.call();
  const one = await people.person();
  const two = await people.person();
  await offerBlur(two, [true, false]);
  await join(one, links[0].url);
  await open(two, links[1].url);
  await blur(two).check();
  await expect(blur(two)).toHaveAccessibleDescription(/but not the place you are in/);
  await two.getByRole('button', { name: 'Join call' }).click();
  await expectMovingPicture(one, one.locator(`${tile('guest-2')} video`));
  await expect.poll(() => sent(two)).toBe(true);

  await two.bringToFront();
  await press(two, 'Camera on');
  await press(two, 'Settings');
  await expect(blur(two)).toHaveAccessibleDescription('Turn your camera on to choose this.');
  await press(two, 'Camera off');
  await expect(blur(two)).toBeChecked();
  await expect.poll(() => sent(two)).toBe(true);
  await blur(two).uncheck();
  await expect.poll(() => sent(two)).toBe(false);
  await two.getByRole('combobox', { name: 'Quality of the picture that I send' }).selectOption('low');
  await expect.poll(() => two.evaluate(() => {
    const call = document.querySelector('careline-call') as unknown as { session: { own: { cameraTrack?: MediaStreamTrack } } };
    return call.session.own.cameraTrack?.getSettings().width;
  })).toBe(320);
  await expect.poll(() => sent(two)).toBe(false);
});

test('who relies on a blur that this camera does not offer is told', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await page.addInitScript(() => {
    localStorage.setItem('careline.blur', 'true');
  });
  await join(page, links[0].url);
  await expect(page.getByText('Your background is not blurred')).toBeVisible();
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await expect(page.getByText('Your background is not blurred')).toBeHidden();
  await press(page, 'Camera on');
  await press(page, 'Camera off');
  await expect(page.getByText('Your background is not blurred')).toBeVisible();
});

test('a blur that the browser refuses is said and not shown as done', async ({ server, people }) => {
  const { links } = await server.call();
  const page = await people.person();
  await offerBlur(page, [true, false]);
  await page.addInitScript(() => {
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its object below
    const { applyConstraints } = MediaStreamTrack.prototype;
    MediaStreamTrack.prototype.applyConstraints = function (constraints) {
      const wanted = typeof constraints?.backgroundBlur === 'object' ? constraints.backgroundBlur.exact : undefined;
      if (wanted) return Promise.reject(new OverconstrainedError('backgroundBlur', 'busy'));
      return applyConstraints.call(this, constraints);
    };
  });
  await open(page, links[0].url);
  // Playwright's check() would insist on the mark.
  await blur(page).click();
  await expect(page.getByText('The background could not be changed.')).toBeVisible();
  await expect(blur(page)).not.toBeChecked();
});
