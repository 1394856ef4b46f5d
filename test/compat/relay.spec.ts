import { expectMovingPicture } from '../e2e/media.ts';
import { startServer } from '../e2e/server.ts';
import { expect, modes, test } from './client.ts';

for (const transport of ['udp', 'tcp']) {
  test(`check 38: calls whose media only TURN over ${transport} carries`, async ({ join }) => {
    const server = await startServer({ CARELINE_TURN_TRANSPORTS: transport });
    try {
      for (const mode of modes) {
        const options = { room: `relay-${mode}`, mode, relayOnly: true, url: server.url };
        const ann = await join('ann', options);
        const ben = await join('ben', options);
        await ann.publish();
        await ben.receives('ann', 'camera');
        await expectMovingPicture(ben.page, ben.video('ann'));
        await ben.hears();
        for (const client of [ann, ben]) {
          expect(await client.page.evaluate(() => window.compat.ways() as Promise<string[]>)).toEqual([transport]);
        }
      }
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });
}
