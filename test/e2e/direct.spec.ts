import { expect, join, look, mint, test } from './fixtures.ts';
import { openPeople } from './kinds.ts';
import { expectMovingPicture } from './media.ts';

test('two people talk under the title of their call, and a third is told why not', async ({ server, people }) => {
  people.expectTrouble(/403|WebSocket/);
  const { room, links } = await server.callOf('direct', { title: 'Lost passport in Lima' });
  const one = await people.person();
  const two = await people.person();
  await join(one, links['guest-1'] ?? '');
  await join(two, links['guest-2'] ?? '');
  await expectMovingPicture(one, one.locator('cl-stage cl-tile[data-identity="guest-2"] video'));
  await expect(one.getByRole('heading', { name: 'Lost passport in Lima', level: 1 })).toBeVisible();
  await openPeople(one);
  await expect(one.getByRole('button', { name: /^Manage/ })).toHaveCount(0);
  await expect(one.getByRole('button', { name: 'Raise hand' })).toHaveCount(0);

  const third = await people.person();
  await third.goto(`${server.url}/call#token=${mint({ identity: 'somebody', room })}`);
  await third.getByRole('button', { name: /^Join|^Allow/ }).first().click();
  const go = third.getByRole('button', { name: 'Join call' });
  const refused = third.getByRole('heading', { name: 'This call is between two other people' });
  await expect(go.or(refused)).toBeVisible();
  if (await go.isVisible()) await go.click();
  await expect(refused).toBeFocused();
  await expect(third.getByRole('button')).toHaveCount(0);
  await look(third, 'ending-third');
  await expect(one.getByText('2 people')).toBeVisible();
});
