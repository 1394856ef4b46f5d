import { expect, inCall, join, look, mint, press, sizes, test } from './fixtures.ts';
import { act, come, goIn, openPeople, row } from './kinds.ts';
import { expectMovingPicture, expectSound } from './media.ts';

test('the host mutes, locks and unlocks, sends somebody out and keeps somebody out', async ({ server, people }) => {
  test.setTimeout(180_000);
  people.expectTrouble(/403|WebSocket|data ?channel/i);
  const { links } = await server.callOf('conference', { title: 'Missed train' });
  const host = await people.person();
  const gus = await people.person();
  await join(host, links['host'] ?? '');
  await come(gus, links['guests'] ?? '', 'Gus');
  await goIn(gus);
  await openPeople(host);
  await expect(row(host, 'Gus')).toContainText('Guest');
  await expect(row(host, 'Gus')).toContainText(/Microphone on|Speaking/);
  await expect(gus.getByRole('heading', { name: 'Missed train', level: 1 })).toBeVisible();

  await test.step('mutes microphone and camera, which can be turned on again', async () => {
    await act(host, 'Gus', 'Turn microphone off');
    await expect(gus.getByText('The host turned your microphone off')).toBeVisible();
    await expect(gus.getByRole('button', { name: 'Mic off' })).toBeVisible();
    await expect(row(host, 'Gus')).toContainText('Microphone off');
    await act(host, 'Gus', 'Turn camera off');
    await expect(gus.getByText('The host turned your camera off')).toBeVisible();
    await expect(row(host, 'Gus')).toContainText('Camera off');
    await press(gus, 'Mic off');
    await expect(row(host, 'Gus')).toContainText(/Microphone on|Speaking/);
    await expect(host.getByRole('status').getByText('The camera of Gus is off.')).toBeAttached();
  });

  await test.step('a guest raises a hand and lowers it', async () => {
    await press(gus, 'Raise hand');
    await expect(gus.getByRole('button', { name: 'Raise hand' })).toHaveAttribute('aria-pressed', 'true');
    await expect(row(host, 'Gus')).toContainText('Hand raised');
    await expect(host.locator('cl-stage cl-tile [data-hand]')).toHaveCount(1);
    await expect(host.getByText('Gus raised a hand.')).toBeAttached();
    await expect(host.getByRole('button', { name: 'People, 1 person asks for you' })).toBeVisible();
    await press(gus, 'Raise hand');
    await expect(row(host, 'Gus')).not.toContainText('Hand raised');
  });

  await test.step('copies a link, by which one comes in until the call is locked', async () => {
    await host.getByRole('button', { name: 'Copy a link for guests' }).click();
    const link = await host.getByRole('textbox', { name: 'The link' }).inputValue();
    expect(link).toContain(`${server.url}/call#invite=`);
    await host.getByRole('button', { name: 'Lock the call' }).click();
    await expect(host.getByText('Nobody new can join.')).toBeVisible();
    const late = await people.person();
    await come(late, link, 'Late');
    await expect(late.getByRole('heading', { name: 'The call is locked' })).toBeFocused();
    await look(late, 'invited-locked');
    await host.getByRole('button', { name: 'Unlock the call' }).click();
    await expect(host.getByRole('button', { name: 'Lock the call' })).toBeVisible();
    await late.getByRole('button', { name: 'Try again' }).click();
    await goIn(late);
    await expect(row(host, 'Late')).toBeVisible();

    await act(host, 'Late', 'Remove');
    const question = host.getByRole('dialog', { name: 'Remove Late from the call?' });
    await expect(question).toBeVisible();
    await look(host, 'host-remove');
    await host.keyboard.press('Escape');
    await expect(question).toBeHidden();
    await expect(row(host, 'Late')).toBeVisible();
    await act(host, 'Late', 'Remove');
    await question.getByRole('button', { name: 'Remove', exact: true }).click();
    await expect(late.getByRole('heading', { name: 'You were removed from the call' })).toBeFocused();
    await expect(row(host, 'Late')).toHaveCount(0);
    await late.reload();
    await goIn(late);
    await expect(row(host, 'Late')).toBeVisible();
  });

  await test.step('bans', async () => {
    await act(host, 'Gus', 'Remove and ban');
    await host.getByRole('dialog', { name: 'Remove Gus and keep them out?' }).getByRole('button', { name: 'Remove and ban' }).click();
    await expect(gus.getByRole('heading', { name: 'You cannot join this call any more' })).toBeFocused();
    await look(gus, 'ending-banned');
    await expect(row(host, 'Gus')).toHaveCount(0);
    await gus.reload();
    await expect(gus.getByRole('heading', { name: 'You cannot join this call any more' })).toBeVisible();
  });

  await test.step('ends the call for everybody', async () => {
    await host.getByRole('button', { name: 'End the call for everybody' }).click();
    await host.getByRole('dialog').getByRole('button', { name: 'End the call for everybody' }).click();
    await expect(host.getByRole('heading', { name: 'The call has ended' })).toBeVisible();
    await expect(host.getByRole('button')).toHaveCount(0);
  });
});

test('guests wait until they are let in, by the host or the operator', async ({ server, people }) => {
  test.setTimeout(180_000);
  const { links } = await server.callOf('conference', { waiting_room: true });
  const host = await people.person();
  const operator = await people.person({ viewport: sizes.phone });
  await join(host, links['host'] ?? '');
  await join(operator, links['operator'] ?? '');
  const gus = await people.person();
  const ida = await people.person();
  people.expectTrouble(/404/);
  await come(gus, links['guests'] ?? '', 'Gus');
  await expect(gus.getByRole('heading', { name: 'Waiting to be let in' })).toBeFocused();
  await come(ida, links['guests'] ?? '', 'Ida');
  await expect(host.getByText('2 people wait to be let in')).toBeVisible();
  await look(host, 'host-asked');
  await host.getByRole('button', { name: 'See who' }).click();
  await expect(host.getByRole('button', { name: 'Turn away: Ida' })).toBeVisible();
  await look(host, 'host-waiting');

  await operator.getByRole('button', { name: 'See who' }).click();
  await expect(operator.getByRole('button', { name: /^Turn away/ })).toHaveCount(0);
  await operator.getByRole('button', { name: 'Let in: Gus' }).click();
  await goIn(gus);
  await expectMovingPicture(host, host.locator('cl-stage cl-tile').filter({ hasText: 'Gus' }).locator('video'));
  await expect(host.getByText('1 person waits to be let in')).toBeVisible();
  await expect(operator.getByRole('button', { name: 'Lock the call' })).toHaveCount(0);

  await host.getByRole('button', { name: 'Turn away: Ida' }).click();
  await expect(ida.getByRole('heading', { name: 'You were not let in' })).toBeVisible();
  await expect(host.getByRole('button', { name: /^Let in/ })).toHaveCount(0);

  await expect(row(operator, 'Gus').getByRole('button', { name: 'Manage: Gus' })).toBeVisible();
  await row(operator, 'Gus').getByRole('button', { name: 'Manage: Gus' }).click();
  await expect(row(operator, 'Gus').getByRole('button', { name: 'Remove: Gus' })).toHaveCount(0);
  await look(operator, 'operator-people');
  await act(operator, 'Gus', 'Turn microphone off');
  await expect(gus.getByText('The host turned your microphone off')).toBeVisible();
  await openPeople(host);
  await row(host, 'Gus').getByRole('button', { name: 'Manage: Gus' }).click();
  await look(host, 'host-people');
  await press(gus, 'Mic off');
  const identity = await host.locator('cl-stage cl-tile').filter({ hasText: 'Gus' }).getAttribute('data-identity');
  await expectSound(host, identity ?? '');
  await inCall(gus);
});

test('what the server does not do is said, and nothing looks done', async ({ server, people }) => {
  people.expectTrouble(/50\d|ERR_FAILED|Failed to load/);
  const { links } = await server.callOf('conference');
  const host = await people.person();
  await join(host, links['host'] ?? '');
  await openPeople(host);
  await expect(host.getByRole('button', { name: 'Lock the call' })).toBeEnabled();
  await host.route('**/v1/calls/**', (route) => route.fulfill({ status: 503, json: { code: 'unavailable' } }));
  await host.getByRole('button', { name: 'Lock the call' }).click();
  await expect(host.getByRole('alert')).toContainText('The server has too much to do.');
  await expect(host.getByRole('button', { name: 'Lock the call' })).toBeVisible();
  await look(host, 'host-trouble');
  await host.unroute('**/v1/calls/**');
  await host.route('**/v1/calls/**', (route) => route.abort());
  await host.getByRole('button', { name: 'Copy a link for guests' }).click();
  await expect(host.getByRole('alert')).toContainText('The server did not answer');
  await host.getByRole('button', { name: 'Dismiss' }).click();
  await expect(host.getByRole('alert')).not.toContainText('The server');
  await host.unroute('**/v1/calls/**');
  await host.getByRole('button', { name: 'Lock the call' }).click();
  await expect(host.getByRole('button', { name: 'Unlock the call' })).toBeVisible();
});

test('somebody with a token whom nobody named waits too, and goes on when let in', async ({ server, people }) => {
  people.expectTrouble(/403|WebSocket/);
  const { room, links } = await server.callOf('conference', { waiting_room: true });
  const host = await people.person();
  await join(host, links['host'] ?? '');
  const walker = await people.person();
  await walker.goto(`${server.url}/call#token=${mint({ identity: 'Wanda', room })}`);
  const allow = walker.getByRole('button', { name: 'Allow camera and microphone' });
  const go = walker.getByRole('button', { name: 'Join call' });
  await expect(allow.or(go)).toBeVisible();
  if (await allow.isVisible()) await allow.click();
  await go.click();
  await expect(walker.getByRole('heading', { name: 'Waiting to be let in' })).toBeFocused();
  await host.getByRole('button', { name: 'See who' }).click();
  await host.getByRole('button', { name: 'Let in: Wanda' }).click();
  await goIn(walker);
  await expect(row(host, 'Wanda')).toContainText('Guest');
});
