import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import type { Client } from './client.ts';
import { expect, modes, test } from './client.ts';

/** The largest number of sections of any description so far. */
const sections = async (client: Client) => Math.max(...(await client.descriptions()).map((d) => d.sections));

for (const mode of modes) {
  test(`check 26: a viewer turns tracks off and on again and again in ${mode} mode`, async ({ join }) => {
    const room = `again-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    await ann.publish();
    await ben.receives('ann', 'camera');
    await ben.page.bringToFront();
    await ben.decodes('ann');
    const negotiated = (await ben.descriptions()).length;
    for (let n = 0; n < 3; n++) {
      await ben.onTrack('ann', 'camera', 'setEnabled', false);
      await expect
        .poll(async () => {
          const { packets } = await ben.inbound('ann');
          await ben.page.waitForTimeout(300);
          return (await ben.inbound('ann')).packets - packets;
        }, { message: 'nothing comes' })
        .toBe(0);
      await ben.onTrack('ann', 'camera', 'setEnabled', true);
      await ben.decodes('ann');
    }
    expect((await ben.descriptions()).length, 'negotiations').toBe(negotiated);

    // livekit-client calls a track unsubscribed as soon as it has asked for it; the event comes when the server has taken it away.
    const ended = async () => (await ben.events()).filter(({ name }) => name === 'trackUnsubscribed').length;
    const resubscribe = async () => {
      const before = await ended();
      for (const source of ['camera', 'microphone']) await ben.onTrack('ann', source, 'setSubscribed', false);
      await expect.poll(ended, { message: 'tracks unsubscribed' }).toBe(before + 2);
      for (const source of ['camera', 'microphone']) await ben.onTrack('ann', source, 'setSubscribed', true);
      for (const source of ['camera', 'microphone']) await ben.receives('ann', source);
      await ben.decodes('ann');
    };
    await resubscribe();
    const before = await sections(ben);
    const last = (await ben.descriptions()).at(-1)?.bytes ?? 0;
    for (let n = 0; n < 4; n++) await resubscribe();
    expect(await sections(ben), 'sections').toBe(before);
    expect((await ben.descriptions()).at(-1)?.bytes, 'bytes of the last description').toBeLessThan(last * 1.1);
    await ben.hears();
  });
}

test('check 26: sections of a single connection are used again for new tracks', async ({ join }) => {
  const ann = await join('ann', { room: 'reuse' });
  const ben = await join('ben', { room: 'reuse' });
  const round = async () => {
    await ann.publish();
    for (const source of ['camera', 'microphone']) await ben.receives('ann', source);
    await ben.decodes('ann');
    await ann.page.evaluate(async () => {
      const me = window.compat.room.localParticipant;
      for (const publication of [...me.trackPublications.values()]) await me.unpublishTrack(publication.track);
    });
    await expect.poll(async () => (await ben.state()).others[0]?.tracks.length).toBe(0);
  };
  await ben.page.bringToFront();
  await round();
  const before = await sections(ben);
  for (let n = 0; n < 4; n++) await round();
  expect(await sections(ben), 'sections').toEqual(before);
});

test('check 29: a publisher says who may receive its tracks', async ({ join }) => {
  const ann = await join('ann', { room: 'permission' });
  const ben = await join('ben', { room: 'permission' });
  const cleo = await join('cleo', { room: 'permission', mode: 'dual' });
  await ann.publish();
  for (const viewer of [ben, cleo]) await viewer.receives('ann', 'camera');
  const { sid } = await cleo.receives('ann', 'microphone');
  const permit = (all: boolean, list: object[]) =>
    ann.page.evaluate(
      ([all, list]) => window.compat.room.localParticipant.setTrackSubscriptionPermissions(all, list) as undefined,
      [all, list] as const,
    );
  const subscribed = async (client: Client) => (await client.state()).others.find((o) => o.identity === 'ann')?.tracks.filter((t) => t.subscribed);

  await permit(false, [{ participantIdentity: 'ben', allowAll: true }]);
  await expect.poll(async () => (await subscribed(cleo))?.length).toBe(0);
  await expect.poll(() => cleo.event('permission', { sid, status: 'not_allowed' })).toBeDefined();
  await ben.page.bringToFront();
  await ben.decodes('ann');
  expect((await subscribed(ben))?.length).toBe(2);

  await permit(false, [{ participantIdentity: 'cleo', allowedTrackSids: [sid] }]);
  await expect.poll(async () => (await subscribed(cleo))?.map((t) => t.source)).toEqual(['microphone']);
  await expect.poll(async () => (await subscribed(ben))?.length).toBe(0);
  await cleo.hears();

  await permit(true, []);
  await expect.poll(async () => (await subscribed(cleo))?.length).toBe(2);
  await cleo.page.bringToFront();
  await cleo.decodes('ann');
  await ben.receives('ann', 'camera');
});

test('check 30: ten publishers reach a single connection in three offers', async ({ join, server }) => {
  const folder = mkdtempSync(path(tmpdir(), 'compat-'));
  const program = path(folder, 'goclient');
  execFileSync('go', ['build', '-o', program, './test/compat/goclient'], { cwd: path(import.meta.dirname, '../..') });
  const publishers = spawn(program, ['publish', server.url.replace('http', 'ws'), 'crowd', '10'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await once(publishers.stdout, 'data'); // all have published
    const ben = await join('ben', { room: 'crowd' });
    await expect.poll(async () => (await ben.state()).others.flatMap((o) => o.tracks.filter((t) => t.subscribed)).length).toBe(20);
    const packets = () => Promise.all(Array.from({ length: 10 }, (_, n) => ben.inbound(`publisher-${n}`, 'microphone')));
    await expect.poll(async () => Math.min(...(await packets()).map((p) => p.packets)), { message: 'packets of each' }).toBeGreaterThan(20);
    expect((await ben.descriptions()).filter((d) => d.side === 'local' && d.type === 'offer').length, 'offers').toBeLessThanOrEqual(3);
  } finally {
    publishers.kill('SIGINT');
    await once(publishers, 'exit');
    rmSync(folder, { recursive: true });
  }
});
