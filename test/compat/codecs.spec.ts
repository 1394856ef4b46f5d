import { expectMovingPicture } from '../e2e/media.ts';
import type { Client } from './client.ts';
import { expect, modes, test } from './client.ts';

const [low, high] = [0, 2]; // livekit-client's VideoQuality

async function publishCamera(client: Client, options: object): Promise<void> {
  await client.page.evaluate(
    (options) => window.compat.room.localParticipant.setCameraEnabled(true, { resolution: { width: 1280, height: 720 } }, options) as Promise<void>,
    options,
  );
}

for (const codec of ['vp9', 'av1']) {
  test(`check 34: ${codec} is published and a viewer chooses its layer`, async ({ join }) => {
    const room = `codec-${codec}`;
    const ann = await join('ann', { room });
    const ben = await join('ben', { room, mode: codec === 'vp9' ? 'dual' : 'single' });
    await publishCamera(ann, { videoCodec: codec });
    const track = await ben.receives('ann', 'camera');
    expect(track.info?.mimeType).toBe(`video/${codec.toUpperCase()}`);
    await ben.page.bringToFront();
    await ben.decodes('ann', 1280);
    expect((await ben.inbound('ann')).mime).toBe(`video/${codec.toUpperCase()}`);
    const [encoding] = (await ann.outbound()).encodings;
    expect(encoding?.mode).toMatch(/^L3T/);
    const negotiated = (await ben.descriptions()).length;
    await ben.onTrack('ann', 'camera', 'setVideoQuality', low);
    await ben.decodes('ann', 320);
    await ben.onTrack('ann', 'camera', 'setVideoQuality', high);
    await ben.decodes('ann', 1280);
    expect((await ben.descriptions()).length, 'negotiations').toBe(negotiated);
  });
}

// livekit-client's BackupCodecPolicy: with SIMULCAST both are encoded, with REGRESSION all move to the backup.
for (const [mode, backupCodecPolicy, others] of [
  ['single', 1, 'video/VP9'],
  ['dual', 2, 'video/VP8'],
] as const) {
  test(`check 34: a viewer without VP9 gets the backup codec in ${mode} mode`, async ({ join }) => {
    const room = `backup-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    const cleo = await join('cleo', { room, mode, without: ['video/vp9'] });
    await publishCamera(ann, { videoCodec: 'vp9', backupCodec: { codec: 'vp8' }, backupCodecPolicy });
    await ben.receives('ann', 'camera');
    await cleo.receives('ann', 'camera');
    await expectMovingPicture(cleo.page, cleo.video('ann'));
    expect((await cleo.inbound('ann')).mime).toBe('video/VP8');
    await ben.page.bringToFront();
    await expect.poll(async () => (await ben.inbound('ann')).mime).toBe(others);
    await ben.decodes('ann');
    const { info } = await ben.receives('ann', 'camera');
    expect(info?.codecs?.map((c) => c.mimeType?.toLowerCase())).toEqual(['video/vp9', 'video/vp8']);
  });
}

test('check 34: H.264 is published', async ({ join }) => {
  const ann = await join('ann', { room: 'codec-h264' });
  const ben = await join('ben', { room: 'codec-h264' });
  await publishCamera(ann, { videoCodec: 'h264' });
  await ben.receives('ann', 'camera');
  await ben.page.bringToFront();
  await ben.decodes('ann');
  expect((await ben.inbound('ann')).mime).toBe('video/H264');
  await ben.onTrack('ann', 'camera', 'setVideoQuality', low);
  await ben.decodes('ann', 320);
});

for (const mode of modes) {
  test(`check 35: a viewer without RED hears one who sends it in ${mode} mode`, async ({ join }) => {
    const room = `red-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode, without: ['audio/red'] });
    const cleo = await join('cleo', { room, mode });
    await ann.page.evaluate(() => window.compat.room.localParticipant.setMicrophoneEnabled(true) as Promise<void>);
    // Browsers name the codec within RED in their statistics; its copies of earlier packets show in the size.
    const sizes: number[] = [];
    for (const viewer of [ben, cleo]) {
      await viewer.receives('ann', 'microphone');
      await viewer.hears();
      const { bytes, packets } = await viewer.inbound('ann', 'microphone');
      sizes.push(bytes / packets);
    }
    const [plain, red] = sizes as [number, number];
    expect(red, 'bytes of a packet with RED').toBeGreaterThan(plain * 1.3);
  });
}
