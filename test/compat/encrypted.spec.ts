import { expectMovingPicture } from '../e2e/media.ts';
import { expect, modes, test } from './client.ts';

for (const mode of modes) {
  test(`check 36: two who share a key see and hear each other in ${mode} mode, one without it nothing`, async ({ join }) => {
    const room = `encrypted-${mode}`;
    const passphrase = 'between us';
    const ann = await join('ann', { room, mode, passphrase });
    const ben = await join('ben', { room, mode, passphrase });
    await ann.publish();
    for (const source of ['camera', 'microphone']) {
      expect((await ben.receives('ann', source)).info?.encryption).toBe('GCM');
    }
    await expectMovingPicture(ben.page, ben.video('ann'));
    await ben.hears();
    // The server takes nothing out of the packets: there is no RED that it would have to open.
    expect((await ben.inbound('ann', 'microphone')).mime).toBe('audio/opus');

    const me = (call: string, ...args: unknown[]) =>
      ann.page.evaluate(
        ([call, args]) => window.compat.room.localParticipant[call](...args) as Promise<void>,
        [call, args] as const,
      );
    for (const source of ['Camera', 'Microphone']) {
      const { sid } = await ben.receives('ann', source.toLowerCase());
      await me(`set${source}Enabled`, false);
      await expect.poll(() => ben.event('muted', { sid })).toBeDefined();
      await me(`set${source}Enabled`, true);
      await expect.poll(() => ben.event('unmuted', { sid })).toBeDefined();
    }
    await expectMovingPicture(ben.page, ben.video('ann'));
    await ben.hears();
    expect(await ben.event('encryptionError')).toBeUndefined();

    const eve = await join('eve', { room, mode });
    await eve.receives('ann', 'camera');
    await expect.poll(async () => (await eve.inbound('ann')).packets).toBeGreaterThan(100);
    expect((await eve.inbound('ann')).frames, 'frames that one without the key decodes').toBe(0);
  });
}
