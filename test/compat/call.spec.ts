import { expectMovingPicture } from '../e2e/media.ts';
import { expect, modes, test } from './client.ts';

for (const mode of modes) {
  const check = mode === 'dual' ? 'check 5' : 'check 6';
  test(`${check}: livekit-client connects in ${mode} mode`, async ({ join }) => {
    const ann = await join('ann', { room: `connect-${mode}`, mode });
    expect((await ann.state()).state).toBe('connected');
    // Single mode must work by itself, not by falling back to dual.
    expect(ann.sockets).toEqual([mode === 'dual' ? '/rtc' : '/rtc/v1']);
  });

  test(`checks 9, 10, 11: pictures and sound arrive in ${mode} mode, also for who comes late`, async ({ join }) => {
    const room = `media-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    await ann.publish();
    for (const viewer of [ben, await join('cleo', { room, mode }), await join('dora', { room, mode: mode === 'dual' ? 'single' : 'dual' })]) {
      const camera = await viewer.receives('ann', 'camera');
      const microphone = await viewer.receives('ann', 'microphone');
      await expectMovingPicture(viewer.page, viewer.video('ann'));
      await viewer.hears();
      expect(await viewer.event('trackSubscribed', { sid: camera.sid, identity: 'ann', source: 'camera' })).toBeDefined();
      expect(await viewer.event('trackSubscribed', { sid: microphone.sid, identity: 'ann', source: 'microphone' })).toBeDefined();
    }
    // The cheap cipher, which a browser lets the DTLS server choose.
    for (const client of [ann, ben]) {
      expect(await client.page.evaluate(() => window.compat.ciphers() as Promise<string[]>)).toEqual(['SRTP_AEAD_AES_128_GCM']);
    }
    const info = (source: string) => ben.receives('ann', source).then((track) => track.info);
    const camera = await info('camera');
    expect(camera).toMatchObject({ mimeType: 'video/VP8', simulcast: true });
    expect(camera?.mid).toBeTruthy();
    expect(camera?.layers?.map((layer) => layer.rid)).toEqual(['q', 'h', 'f']);
    const microphone = await info('microphone');
    expect(microphone?.mimeType).toMatch(/^audio\/(red|opus)$/);
    expect(microphone?.mid).toBeTruthy();
  });

  test(`check 11: without auto-subscribe nothing comes until asked for in ${mode} mode`, async ({ join }) => {
    const room = `choosy-${mode}`;
    const ann = await join('ann', { room, mode });
    await ann.publish();
    const ben = await join('ben', { room, mode, autoSubscribe: false });
    await expect.poll(async () => (await ben.state()).others[0]?.tracks.length).toBe(2);
    expect(await ben.event('trackSubscribed')).toBeUndefined();
    await ben.page.evaluate(() => {
      for (const publication of window.compat.room.remoteParticipants.get('ann').videoTrackPublications.values()) publication.setSubscribed(true);
    });
    await ben.receives('ann', 'camera');
    await expectMovingPicture(ben.page, ben.video('ann'));
    expect(await ben.event('trackSubscribed', { source: 'microphone' })).toBeUndefined();
  });

  test(`checks 13, 14: mute, unpublish, publish again and leave in ${mode} mode`, async ({ join }) => {
    const room = `life-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    await ann.publish();
    const microphone = await ben.receives('ann', 'microphone');
    const camera = await ben.receives('ann', 'camera');
    await ann.page.evaluate(() => window.compat.room.localParticipant.setMicrophoneEnabled(false) as Promise<void>);
    await expect.poll(() => ben.event('muted', { sid: microphone.sid })).toBeDefined();
    await ann.page.evaluate(() => window.compat.room.localParticipant.setMicrophoneEnabled(true) as Promise<void>);
    await expect.poll(() => ben.event('unmuted', { sid: microphone.sid })).toBeDefined();

    const gone = new Set<string>();
    for (let sid = camera.sid; gone.size < 3; sid = (await ben.receives('ann', 'camera')).sid) {
      expect(gone.has(sid)).toBe(false);
      gone.add(sid);
      await expectMovingPicture(ben.page, ben.video('ann'));
      await ann.page.evaluate(async () => {
        const me = window.compat.room.localParticipant;
        await me.unpublishTrack(me.getTrackPublication('camera').track);
      });
      await expect.poll(() => ben.event('trackUnsubscribed', { sid })).toBeDefined();
      await ann.page.evaluate(() => window.compat.room.localParticipant.setCameraEnabled(true) as Promise<void>);
    }
    await ann.page.evaluate(() => window.compat.room.disconnect() as Promise<void>);
    await expect.poll(() => ben.event('disconnected', { identity: 'ann' })).toBeDefined();
    expect((await ben.state()).others).toEqual([]);
  });
}

test('check 15: the same identity joins twice', async ({ join }) => {
  const watcher = await join('watcher', { room: 'twice' });
  const first = await join('ann', { room: 'twice' });
  const second = await join('ann', { room: 'twice' });
  await expect.poll(() => first.event('left', { reason: 'DUPLICATE_IDENTITY' })).toBeDefined();
  const { sid } = await second.state();
  await expect.poll(async () => (await watcher.state()).others.map((o) => [o.identity, o.sid])).toEqual([['ann', sid]]);
});

test('check 18: what a token does not allow is refused', async ({ join }) => {
  const ann = await join('ann', { room: 'rights', video: { canPublishSources: ['microphone'] } });
  expect((await ann.state()).permissions).toMatchObject({ canPublish: true, canPublishSources: ['MICROPHONE'] });
  const refused = await ann.page.evaluate(() =>
    window.compat.room.localParticipant.setCameraEnabled(true).then(
      () => '',
      (error: Error) => error.message,
    ),
  );
  expect(refused).not.toBe('');
  await ann.page.evaluate(() => window.compat.room.localParticipant.setMicrophoneEnabled(true) as Promise<void>);
  expect((await ann.state()).tracks.map((t) => t.source)).toEqual(['microphone']);
});
