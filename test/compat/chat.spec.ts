import type { CallChat } from '../e2e/callchat.ts';
import { callChat } from '../e2e/callchat.ts';
import type { Client } from './client.ts';
import { expect, modes, test } from './client.ts';

interface Stream {
  id: string;
  identity: string;
  text: string;
  attributes: Record<string, string>;
  /** Ids of the streams of its files. */
  files?: string[];
}

const streams = (client: Client) => client.page.evaluate(() => window.compat.streams as Stream[]);
const shown = async (client: Client) => (await streams(client)).map(({ identity, text }) => `${identity}: ${text}`);

/** Sends as applications do, and returns the id of the stream. */
function send(client: Client, text: string): Promise<string> {
  return client.page.evaluate(
    async (text) => ((await window.compat.room.localParticipant.sendText(text, { topic: 'lk.chat' })) as { id: string }).id,
    text,
  );
}

interface Answer {
  id: string;
  seq?: number;
  problem?: string;
  files?: Record<string, string>;
  missing?: string[];
}

async function answer(client: Client, id: string): Promise<Answer> {
  const find = async () => {
    const data = await client.page.evaluate(() => window.compat.data as { text: string; topic?: string }[]);
    return data.filter((d) => d.topic === 'careline.ack').map((d) => JSON.parse(d.text) as Answer).find((a) => a.id === id);
  };
  await expect.poll(find).toBeDefined();
  return (await find()) ?? { id };
}

const texts = async (chat: CallChat) => (await chat.kept()).map((m) => `${m.sender ?? ''}: ${m.text ?? ''}`);

const long = 'Grüße, нова, 慰问. '.repeat(400);
// Does not compress, so that it travels in several pieces.
const noise = Array.from({ length: 8000 }, (_, i) => String.fromCodePoint(0x4e00 + ((Math.imul(i + 1, 2654435761) >>> 12) & 0x3fff))).join('');

for (const mode of modes) {
  test(`texts of livekit-client are kept: alone, with another, whole, deflated and in pieces, in ${mode} mode`, async ({ join, server }) => {
    const chat = await callChat(server);
    const ann = await join('ann', { room: chat.room, mode });
    const first = await send(ann, 'alone');
    expect(await answer(ann, first)).toMatchObject({ seq: expect.any(Number) as unknown });
    const ben = await join('ben', { room: chat.room, mode });
    for (const client of [ann, ben]) await expect.poll(async () => (await client.state()).others.length).toBe(1);
    for (const text of ['hello', long, noise]) await answer(ann, await send(ann, text));
    await answer(ben, await send(ben, 'hello yourself'));
    const all = ['ann: alone', 'ann: hello', `ann: ${long}`, `ann: ${noise}`, 'ben: hello yourself'];
    expect(await texts(chat)).toEqual(all);
    await expect.poll(() => shown(ben)).toEqual(all.slice(1, 4));
    await expect.poll(() => shown(ann)).toEqual(all.slice(4));

    const refused = await send(ann, `${noise}1`);
    expect((await answer(ann, refused)).problem).toBe('too-large');
    expect(await texts(chat)).toEqual(all);
  });
}

test('what is written, changed and deleted outside is told inside by the ids that are known there', async ({ join, server }) => {
  const chat = await callChat(server);
  const ann = await join('ann', { room: chat.room });
  const ben = await join('ben', { room: chat.room });
  const outside = (await chat.ask('POST', '/messages', { text: 'from outside', client_key: '1' })) as { id: string; seq: number };
  for (const client of [ann, ben]) await expect.poll(() => shown(client)).toEqual(['careline.chat: from outside']);
  expect((await streams(ben))[0]).toMatchObject({ id: outside.id, attributes: { 'careline.author': 'dora', 'careline.seq': String(outside.seq) } });
  const inside = await send(ann, 'from inside');
  const { seq } = await answer(ann, inside);
  await chat.ask('PATCH', `/messages/${outside.seq}`, { text: 'changed' }, { 'If-Match': '"0"' });
  await chat.ask('PATCH', `/messages/${seq ?? 0}`, { text: 'changed outside' }, { 'If-Match': '"0"' }, 'ann');
  await chat.ask('DELETE', `/messages/${seq ?? 0}`, undefined, {}, 'ann');
  await expect.poll(async () => (await streams(ben)).map((s) => `${s.id} ${s.text}`)).toEqual([
    `${outside.id} from outside`, `${inside} from inside`, `${outside.id} changed`, `${inside} changed outside`, `${inside} (deleted)`,
  ]);
});

/** What a WebSocket's token says. */
function claims(url: string): Record<string, unknown> {
  const [, payload = ''] = (new URL(url).searchParams.get('access_token') ?? '').split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
}

test('a client that resumes or joins anew sees nothing twice, and nothing is kept twice', async ({ join, server }) => {
  const chat = await callChat(server);
  const ann = await join('ann', { room: chat.room });
  const ben = await join('ben', { room: chat.room });
  for (const client of [ann, ben]) await expect.poll(async () => (await client.state()).others.length).toBe(1);
  const sockets: string[] = [];
  ann.page.on('websocket', (socket) => sockets.push(socket.url()));
  let written = 0;
  const write = async () => {
    written++;
    await answer(ann, await send(ann, `number ${written}`));
  };
  await write();
  for (const scenario of ['signal-reconnect', 'full-reconnect']) {
    await ann.page.evaluate((scenario) => window.compat.room.simulateScenario(scenario) as Promise<void>, scenario);
    await expect.poll(async () => (await ann.events()).filter((e) => e.name === 'reconnected').length).toBe(scenario === 'full-reconnect' ? 2 : 1);
    await write();
    await chat.ask('POST', '/messages', { text: `after ${scenario}`, client_key: scenario });
  }
  // By this the server knows that the page still shows what it had (chat.history_to_stock).
  expect(sockets.length).toBeGreaterThan(1);
  for (const url of sockets) expect(claims(url)['refreshed']).toBe(true);
  await expect.poll(() => shown(ann)).toEqual(['careline.chat: after signal-reconnect', 'careline.chat: after full-reconnect']);
  const all = ['number 1', 'number 2', 'after signal-reconnect', 'number 3', 'after full-reconnect'];
  await expect.poll(async () => (await streams(ben)).map((s) => s.text)).toEqual(all);
  expect((await chat.kept()).map((m) => m.text)).toEqual(all);
});

interface Sent {
  name: string;
  type: string;
  bytes: number[];
}

/** Sends a text with files, as applications do, and returns the id of its stream. */
function sendFiles(client: Client, text: string, files: Sent[]): Promise<string> {
  return client.page.evaluate(
    async ([text, files]) => {
      const attachments = files.map((f) => new File([new Uint8Array(f.bytes)], f.name, { type: f.type }));
      return ((await window.compat.room.localParticipant.sendText(text, { topic: 'lk.chat', attachments })) as { id: string }).id;
    },
    [text, files] as const,
  );
}

const picture = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
const report: Sent = { name: 'report.txt', type: 'text/plain', bytes: [...Buffer.from(long.repeat(3))] };
const pixel: Sent = { name: 'pixel.png', type: 'image/png', bytes: [...picture] };
// Does not compress, so that it travels in many pieces.
const sound: Sent = { name: 'sound.bin', type: '', bytes: Array.from({ length: 50_000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24) };
const program: Sent = { name: 'setup.exe', type: 'application/octet-stream', bytes: [...Buffer.from('MZ and so on')] };

for (const mode of modes) {
  test(`files that livekit-client sends with a text are kept with it, in ${mode} mode`, async ({ join, server }) => {
    const chat = await callChat(server);
    const ann = await join('ann', { room: chat.room, mode });
    const alone = await answer(ann, await sendFiles(ann, 'alone', [report]));
    expect(Object.keys(alone.files ?? {})).toHaveLength(1);
    const ben = await join('ben', { room: chat.room, mode });
    for (const client of [ann, ben]) await expect.poll(async () => (await client.state()).others.length).toBe(1);

    const id = await sendFiles(ann, 'three, and one that is refused', [report, pixel, sound, program]);
    const told = await answer(ann, id);
    expect(told).toMatchObject({ seq: expect.any(Number) as unknown });
    expect(Object.keys(told.files ?? {})).toHaveLength(3);
    expect(told.missing).toHaveLength(1);
    expect((await answer(ann, told.missing?.[0] ?? '')).problem).toBe('unsupported-media-type');

    const kept = await chat.kept();
    expect(kept.map((m) => [m.kind, m.text, m.attachments?.map((a) => a.name)])).toEqual([
      ['file', 'alone', ['report.txt']],
      ['file', 'three, and one that is refused', ['report.txt', 'pixel.png', 'sound.bin']],
    ]);
    for (const [n, sent] of [report, pixel, sound].entries()) expect(await chat.file(kept[1]?.attachments?.[n]?.id ?? '')).toEqual(sent.bytes);

    // Whoever is in the call gets all of it, as from any server.
    const received = () => ben.page.evaluate(() => (window.compat.files as (Sent & { id: string })[]).map(({ id, name, bytes }) => ({ id, name, size: bytes.length })));
    const sizes = async () => Object.fromEntries((await received()).map((f) => [f.name, f.size]));
    await expect.poll(sizes).toEqual(Object.fromEntries([report, pixel, sound, program].map((f) => [f.name, f.bytes.length])));
    const names = (await streams(ben)).map((s) => s.files);
    expect(names[0]?.toSorted()).toEqual((await received()).map((f) => f.id).sort());

    const picturesOnly = await sendFiles(ann, '', [pixel]);
    await answer(ann, picturesOnly);
    expect((await chat.kept()).at(-1)).toMatchObject({ kind: 'image', attachments: [{ name: 'pixel.png', type: 'image/png' }] });

    // A file without a text is no message: those in the call get it, and it is not kept.
    const lone = await ann.page.evaluate(
      async () => ((await window.compat.room.localParticipant.sendFile(new File(['text'], 'lone.txt'), { topic: 'lk.chat' })) as { id: string }).id,
    );
    expect((await answer(ann, lone)).problem).toBe('validation');
    await expect.poll(async () => (await received()).map((f) => f.name)).toContain('lone.txt');
    expect(await chat.kept()).toHaveLength(3);
  });
}
