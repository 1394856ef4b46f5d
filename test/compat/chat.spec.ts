import type { CallChat } from '../e2e/callchat.ts';
import { callChat } from '../e2e/callchat.ts';
import type { Client } from './client.ts';
import { expect, modes, test } from './client.ts';

interface Stream {
  id: string;
  identity: string;
  text: string;
  attributes: Record<string, string>;
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

test('a client that resumes or joins anew sees nothing twice, and nothing is kept twice', async ({ join, server }) => {
  const chat = await callChat(server);
  const ann = await join('ann', { room: chat.room });
  const ben = await join('ben', { room: chat.room });
  for (const client of [ann, ben]) await expect.poll(async () => (await client.state()).others.length).toBe(1);
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
  await expect.poll(() => shown(ann)).toEqual(['careline.chat: after signal-reconnect', 'careline.chat: after full-reconnect']);
  const all = ['number 1', 'number 2', 'after signal-reconnect', 'number 3', 'after full-reconnect'];
  await expect.poll(async () => (await streams(ben)).map((s) => s.text)).toEqual(all);
  expect((await chat.kept()).map((m) => m.text)).toEqual(all);
});
