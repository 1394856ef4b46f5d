import { expectMovingPicture } from '../e2e/media.ts';
import type { Client } from './client.ts';
import { expect, modes, test } from './client.ts';

function simulate(client: Client, scenario: string): Promise<void> {
  return client.page.evaluate((scenario) => window.compat.room.simulateScenario(scenario) as Promise<void>, scenario);
}

const sids = async (client: Client) => (await client.state()).tracks.map((t) => t.sid).sort();

for (const mode of modes) {
  test(`check 20: a killed WebSocket resumes in ${mode} mode`, async ({ join }) => {
    const room = `resume-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    await ann.publish();
    await ben.receives('ann', 'camera');
    await expectMovingPicture(ben.page, ben.video('ann'));
    const [before, tracks] = [await ann.state(), await sids(ann)];
    const seen = (await ben.events()).length;
    await simulate(ann, 'signal-reconnect');
    await expect.poll(() => ann.event('reconnected')).toBeDefined();
    expect(await ann.event('reconnecting'), 'a full reconnect').toBeUndefined();
    const after = await ann.state();
    expect([after.state, after.sid]).toEqual(['connected', before.sid]);
    expect(await sids(ann)).toEqual(tracks);
    await expectMovingPicture(ben.page, ben.video('ann'));
    await ben.hears();
    const told = (await ben.events()).slice(seen).map((e) => e.name);
    for (const name of ['disconnected', 'connected', 'trackUnsubscribed', 'trackSubscribed']) expect(told).not.toContain(name);

    // Who only receives resumes as well.
    await simulate(ben, 'signal-reconnect');
    await expect.poll(() => ben.event('reconnected')).toBeDefined();
    await expectMovingPicture(ben.page, ben.video('ann'));
  });

  test(`check 21: an unknown session is joined anew in ${mode} mode`, async ({ join }) => {
    const room = `unknown-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    await ann.publish();
    await ben.receives('ann', 'camera');
    const before = await ann.state();
    await ann.page.evaluate(() => {
      window.compat.room.engine.participantSid = 'PA_forgotten';
    });
    await simulate(ann, 'signal-reconnect');
    await startedOver(ann, ben, before.sid);
  });

  test(`check 22: a full reconnect publishes again in ${mode} mode`, async ({ join }) => {
    const room = `full-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    await ann.publish();
    await ben.receives('ann', 'camera');
    const [before, tracks] = [await ann.state(), await sids(ann)];
    await simulate(ann, 'full-reconnect');
    await startedOver(ann, ben, before.sid);
    for (const sid of await sids(ann)) expect(tracks).not.toContain(sid);
  });
}

/** Wants one participant with a new sid and live tracks at both ends. */
async function startedOver(client: Client, viewer: Client, oldSID: string): Promise<void> {
  await expect.poll(() => client.event('reconnected')).toBeDefined();
  const { state, sid } = await client.state();
  expect(state).toBe('connected');
  expect(sid).not.toBe(oldSID);
  const remote = async () => (await viewer.state()).others.map((o) => [o.identity, o.sid, o.tracks.filter((t) => t.subscribed).length]);
  await expect.poll(remote).toEqual([[client.identity, sid, 2]]);
  await expectMovingPicture(viewer.page, viewer.video(client.identity));
  await viewer.hears();
}
