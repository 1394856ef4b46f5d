import {
  AudioFrame,
  AudioSource,
  AudioStream,
  dispose,
  LocalAudioTrack,
  LocalVideoTrack,
  Room,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoFrame,
  VideoSource,
  VideoStream,
} from '@livekit/rtc-node';
import { AccessToken, DataPacket_Kind, RoomServiceClient, TrackType, WebhookReceiver } from 'livekit-server-sdk';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Client } from '../compat/client.ts';
import { expect, test } from '../compat/client.ts';
import { startServer } from '../e2e/server.ts';

const [key, secret] = ['devkey', 'secret'];
const [width, height] = [640, 360];

async function token(identity: string, room: string): Promise<string> {
  const t = new AccessToken(key, secret, { identity, ttl: '1h' });
  t.addGrant({ roomJoin: true, room });
  return t.toJwt();
}

/** What a client of the Node SDK saw, heard and read. */
class Witness {
  readonly room = new Room();
  frames = 0;
  size = [0, 0];
  loud = 0;
  readonly texts: string[] = [];
  readonly data: string[] = [];

  constructor() {
    this.room.on(RoomEvent.TrackSubscribed, (track) => {
      void (track.kind === TrackKind.KIND_AUDIO ? this.listen(new AudioStream(track)) : this.look(new VideoStream(track)));
    });
    this.room.on(RoomEvent.DataReceived, (payload) => this.data.push(new TextDecoder().decode(payload)));
    this.room.registerTextStreamHandler('lk.chat', (reader) => void reader.readAll().then((text) => this.texts.push(text)));
  }

  private async listen(stream: AudioStream): Promise<void> {
    // The SDK's own types do not know that its streams can be walked.
    for await (const frame of stream as unknown as AsyncIterable<AudioFrame>) if (frame.data.some((sample) => Math.abs(sample) > 100)) this.loud++;
  }

  private async look(stream: VideoStream): Promise<void> {
    for await (const { frame } of stream as unknown as AsyncIterable<{ frame: VideoFrame }>) {
      this.frames++;
      this.size = [frame.width, frame.height];
    }
  }

  async join(url: string, identity: string, room: string): Promise<void> {
    await this.room.connect(url.replace('http', 'ws'), await token(identity, room), { autoSubscribe: true, dynacast: true });
  }

  /** Publishes a tone and a picture that changes; returns what ends them. */
  async publish(): Promise<() => void> {
    const me = this.room.localParticipant;
    if (!me) throw new Error('not connected');
    const sound = new AudioSource(48_000, 1);
    const picture = new VideoSource(width, height);
    const microphone = new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE });
    const camera = new TrackPublishOptions({ source: TrackSource.SOURCE_CAMERA, simulcast: true });
    await me.publishTrack(LocalAudioTrack.createAudioTrack('microphone', sound), microphone);
    await me.publishTrack(LocalVideoTrack.createVideoTrack('camera', picture), camera);
    let over = false;
    const tone = async (): Promise<void> => {
      for (let at = 0; !over; at += 480) {
        const samples = Int16Array.from({ length: 480 }, (_, i) => 8000 * Math.sin((at + i) / 20));
        await sound.captureFrame(new AudioFrame(samples, 48_000, 1, 480));
      }
    };
    void tone();
    const pixels = new Uint8Array((width * height * 3) / 2);
    let shade = 0;
    const timer = setInterval(() => {
      pixels.fill((shade = (shade + 5) & 255));
      picture.captureFrame(new VideoFrame(pixels, width, height, VideoBufferType.I420));
    }, 33);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }
}

const texts = (client: Client) => client.page.evaluate(() => (window.compat.texts as { text: string }[]).map((t) => t.text));

test.afterAll(() => dispose());

// Its core is that of the SDKs for Rust, Python, Unity and C++.
test("LiveKit's Node SDK and Chromium see, hear, write and call each other", async ({ join, server }) => {
  const ann = await join('ann', { room: 'node' });
  await ann.publish();
  const robot = new Witness();
  await robot.join(server.url, 'robot', 'node');
  robot.room.localParticipant?.registerRpcMethod('double', ({ payload }) => Promise.resolve(payload + payload));
  const stop = await robot.publish();

  const camera = await ann.receives('robot', 'camera');
  expect(camera.info).toMatchObject({ mimeType: 'video/VP8', simulcast: true });
  await ann.receives('robot', 'microphone');
  const shown = () => ann.video('robot').evaluate((v) => (v as HTMLVideoElement).getVideoPlaybackQuality().totalVideoFrames);
  await ann.page.bringToFront();
  await expect.poll(shown, { message: 'Chromium shows the pictures of the Node SDK' }).toBeGreaterThan(30);
  await ann.hears();
  await expect.poll(() => robot.frames, { message: 'the Node SDK decodes pictures' }).toBeGreaterThan(30);
  expect((robot.size[0] ?? 0) / (robot.size[1] ?? 1)).toBeCloseTo(16 / 9, 1);
  await expect.poll(() => robot.loud, { message: 'the Node SDK hears' }).toBeGreaterThan(10);

  await robot.room.localParticipant?.sendText('from Node', { topic: 'lk.chat' });
  await expect.poll(() => texts(ann)).toEqual(['from Node']);
  await ann.page.evaluate(async () => {
    await window.compat.room.localParticipant.sendText('from Chromium', { topic: 'lk.chat' });
  });
  await expect.poll(() => robot.texts).toEqual(['from Chromium']);
  const call = { method: 'double', payload: 'x' };
  expect(await robot.room.localParticipant?.performRpc({ ...call, destinationIdentity: 'ann' })).toBe('robot:xx');
  const answer = await ann.page.evaluate(
    (call) => window.compat.room.localParticipant.performRpc({ ...call, destinationIdentity: 'robot' }) as Promise<string>,
    call,
  );
  expect(answer).toBe('xx');

  stop();
  await robot.room.disconnect();
  await expect.poll(async () => (await ann.state()).others).toEqual([]);
});

test("LiveKit's Node server SDK controls a room and reads its webhooks", async () => {
  const told: string[] = [];
  const receiver = new WebhookReceiver(key, secret);
  const hook = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      receiver.receive(Buffer.concat(chunks).toString(), request.headers.authorization).then(
        ({ event }) => told.push(event),
        (error: unknown) => told.push(String(error)),
      );
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(hook, 'listening');
  const address = hook.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  const server = await startServer({ CARELINE_WEBHOOKS_URLS: `http://127.0.0.1:${address.port}/` });
  try {
    const rooms = new RoomServiceClient(server.url, key, secret);
    const room = 'controlled';
    expect((await rooms.createRoom({ name: room, emptyTimeout: 60, metadata: 'case 7' })).metadata).toBe('case 7');
    const robot = new Witness();
    await robot.join(server.url, 'robot', room);
    const stop = await robot.publish();
    await expect.poll(async () => (await rooms.listParticipants(room)).map((p) => [p.identity, p.tracks.length])).toEqual([['robot', 2]]);
    expect((await rooms.listRooms()).map((r) => r.name)).toEqual([room]);

    const { tracks } = await rooms.getParticipant(room, 'robot');
    const microphone = tracks.find((t) => t.type === TrackType.AUDIO);
    expect((await rooms.mutePublishedTrack(room, 'robot', microphone?.sid ?? '', true)).muted).toBe(true);
    await rooms.updateParticipant(room, 'robot', { metadata: 'calm', attributes: { desk: '3' } });
    await expect.poll(() => [robot.room.localParticipant?.metadata, robot.room.localParticipant?.attributes['desk']]).toEqual(['calm', '3']);
    await rooms.sendData(room, new TextEncoder().encode('from the desk'), DataPacket_Kind.RELIABLE, { topic: 'desk' });
    await expect.poll(() => robot.data).toEqual(['from the desk']);
    stop();
    await rooms.removeParticipant(room, 'robot');
    await expect.poll(() => robot.room.isConnected).toBe(false);
    await rooms.deleteRoom(room);
    expect(await rooms.listRooms()).toEqual([]);
    const sorted = (events: string[]) => events.filter((event) => !event.startsWith('track')).concat([...new Set(events.filter((event) => event.startsWith('track')))]);
    await expect
      .poll(() => sorted(told))
      .toEqual(['room_started', 'participant_joined', 'participant_left', 'room_finished', 'track_published', 'track_unpublished']);
  } finally {
    expect(await server.stop()).toBe(0);
    hook.closeAllConnections();
    hook.close();
  }
});
