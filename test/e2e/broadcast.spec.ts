import { expect, join, look, press, sizes, test } from './fixtures.ts';
import { act, come, openPeople, row } from './kinds.ts';
import { expectMovingPicture, expectSound } from './media.ts';

const own = '[data-control=microphone], [data-control=camera], [data-control=screen]';

test('a viewer raises a hand, is let speak, is heard, and listens again', async ({ server, people }) => {
  test.setTimeout(180_000);
  const { links } = await server.callOf('broadcast', { title: 'Storm warning' });
  const host = await people.person();
  await join(host, links['host'] ?? '');
  const vera = await people.person({ viewport: sizes.phone });
  await vera.addInitScript(() => {
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its object below
    const { getUserMedia } = MediaDevices.prototype;
    let asked = 0;
    MediaDevices.prototype.getUserMedia = function (constraints) {
      asked++;
      return getUserMedia.call(this, constraints);
    };
    Object.assign(window, { devicesAsked: () => asked });
  });
  const asked = () => vera.evaluate(() => (window as unknown as { devicesAsked(): number }).devicesAsked());
  await come(vera, links['guests'] ?? '', 'Vera');
  await expect(vera.getByText('no camera and no microphone are needed')).toBeVisible();
  await look(vera, 'prejoin-viewer');
  await vera.getByRole('button', { name: 'Join call' }).click();
  await expect(vera.getByText('Raise your hand if you want to say something.')).toBeVisible();
  await expect(vera.locator(own)).toHaveCount(0);
  await expectMovingPicture(vera, vera.locator('cl-stage cl-tile[data-identity=host] video'));
  await look(vera, 'viewer');
  const will = await people.person();
  await come(will, links['guests'] ?? '', 'Will');
  await will.getByRole('button', { name: 'Join call' }).click();
  await expect(will.getByText('2 people')).toBeVisible();
  await expect(host.getByText('3 people')).toBeVisible();
  expect(await asked()).toBe(0);

  await press(vera, 'Raise hand');
  await expect(vera.getByRole('button', { name: 'Raise hand' })).toHaveAttribute('aria-pressed', 'true');
  await expect(host.getByText('Vera raised a hand.')).toBeAttached();
  await press(will, 'Raise hand');
  await press(host, 'People, 2 people ask for you');
  await expect(host.locator('cl-people-panel li[part=person]')).toHaveText([/Host/, /Vera.*Hand raised/s, /Will.*Hand raised/s]);
  await look(host, 'host-hands');

  await act(host, 'Will', 'Lower hand');
  await expect(row(host, 'Will')).not.toContainText('Hand raised');
  await expect(will.getByRole('button', { name: 'Raise hand' })).toHaveAttribute('aria-pressed', 'false');
  await expect(will.locator(own)).toHaveCount(0);

  await act(host, 'Vera', 'Let speak');
  await expect(vera.getByText('You may speak now')).toBeVisible();
  await expect(row(host, 'Vera')).not.toContainText('Hand raised');
  await expect(vera.getByRole('button', { name: 'No mic' })).toHaveAttribute('aria-pressed', 'false');
  await expect(vera.getByRole('button', { name: 'Camera off' })).toBeVisible();
  await expect(vera.getByRole('button', { name: 'Raise hand' })).toHaveCount(0);
  expect(await asked()).toBe(0);
  await look(vera, 'viewer-may-speak');

  await press(vera, 'No mic');
  await expect(row(host, 'Vera')).toContainText(/Microphone on|Speaking/);
  const identity = (await row(host, 'Vera').getAttribute('data-identity')) ?? '';
  await expectSound(host, identity);
  await expectSound(will, identity);
  await press(vera, 'Camera off');
  await expectMovingPicture(will, will.locator(`cl-stage cl-tile[data-identity="${identity}"] video`));

  await act(host, 'Vera', 'Back to listening');
  await expect(vera.getByText('You may no longer speak')).toBeVisible();
  await expect(vera.locator(own)).toHaveCount(0);
  await expect(vera.getByRole('button', { name: 'Raise hand' })).toBeVisible();
  await expect(will.locator(`cl-stage cl-tile[data-identity="${identity}"]`)).toHaveCount(0);
  await openPeople(host);
  await expect(row(host, 'Vera')).not.toContainText('Microphone');
  await press(vera, 'Leave');
  await expect(vera.getByRole('heading', { name: 'You have left the call' })).toBeVisible();
});
