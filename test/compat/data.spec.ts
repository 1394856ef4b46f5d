import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { mint } from '../e2e/fixtures.ts';
import type { Client } from './client.ts';
import { expect, modes, test } from './client.ts';

function send(client: Client, text: string, options: object): Promise<void> {
  return client.page.evaluate(
    ([text, options]) => window.compat.room.localParticipant.publishData(new TextEncoder().encode(text), options) as Promise<void>,
    [text, options] as const,
  );
}

interface Data {
  text: string;
  identity?: string;
  topic?: string;
}

const data = (client: Client) => client.page.evaluate(() => window.compat.data as Data[]);
const texts = (client: Client) => client.page.evaluate(() => window.compat.texts as { identity: string; text: string }[]);
const files = (client: Client) => client.page.evaluate(() => window.compat.files as { id: string; identity: string; name: string; bytes: number[] }[]);

function sendText(client: Client, text: string): Promise<void> {
  return client.page.evaluate((text) => window.compat.room.localParticipant.sendText(text, { topic: 'lk.chat' }) as Promise<void>, text);
}

// Bytes that do not compress, so that they travel in several chunks.
const file = Array.from({ length: 40_000 }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) & 255);

function sendFile(client: Client): Promise<void> {
  return client.page.evaluate((bytes) => {
    const file = new File([new Uint8Array(bytes)], 'scan.bin', { type: 'application/octet-stream' });
    return window.compat.room.localParticipant.sendFile(file, { topic: 'files' }) as Promise<void>;
  }, file);
}

function call(client: Client, destinationIdentity: string): Promise<string> {
  return client.page.evaluate(
    (destinationIdentity) =>
      window.compat.room.localParticipant.performRpc({ destinationIdentity, method: 'double', payload: 'x' }) as Promise<string>,
    destinationIdentity,
  );
}

for (const mode of modes) {
  test(`check 16: data reaches all or the named in ${mode} mode`, async ({ join }) => {
    const room = `data-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    const cleo = await join('cleo', { room, mode });
    for (const client of [ann, ben, cleo]) await expect.poll(async () => (await client.state()).others.length).toBe(2);
    for (const reliable of [true, false]) {
      const text = `reliable ${reliable}`;
      await send(ann, text, { reliable, topic: 'topic' });
      for (const client of [ben, cleo]) {
        await expect.poll(() => data(client)).toContainEqual({ text, identity: 'ann', reliable, topic: 'topic' });
      }
    }
    await send(ann, 'for cleo', { reliable: true, destinationIdentities: ['cleo'] });
    await send(ann, 'the last', { reliable: true });
    for (const client of [ben, cleo]) await expect.poll(async () => (await data(client)).map((d) => d.text)).toContain('the last');
    expect((await data(cleo)).map((d) => d.text)).toContain('for cleo');
    expect((await data(ben)).map((d) => d.text)).not.toContain('for cleo');
    expect(await data(ann)).toEqual([]);
  });

  test(`check 17: texts, files and calls between two livekit-clients in ${mode} mode`, async ({ join }) => {
    const room = `streams-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode: 'single' });
    for (const client of [ann, ben]) await expect.poll(async () => (await client.state()).others.length).toBe(1);
    const long = 'Grüße, нова, 慰问. '.repeat(3000);
    for (const text of ['hello', long]) {
      await sendText(ann, text);
      await expect.poll(() => texts(ben)).toContainEqual({ identity: 'ann', text });
    }
    await sendFile(ann);
    await expect.poll(() => files(ben)).toEqual([{ id: expect.any(String), identity: 'ann', name: 'scan.bin', bytes: file }]);
    expect(await call(ann, 'ben')).toBe('ann:xx');
    expect(await call(ben, 'ann')).toBe('ben:xx');
  });
}

for (const mode of modes) {
  test(`checks 47, 48: reliable data during a resume arrives once, in order, in ${mode} mode`, async ({ join }) => {
    const room = `once-${mode}`;
    const ann = await join('ann', { room, mode });
    const ben = await join('ben', { room, mode });
    await expect.poll(async () => (await ann.state()).others.length).toBe(1);
    // Numbers go on while the client resumes, until some were sent after it.
    const sent = await ann.page.evaluate(async () => {
      const { room, events } = window.compat;
      const resuming = (async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        await room.simulateScenario('signal-reconnect');
      })();
      let n = 0;
      for (let after = 0; after < 10; after += (events as { name: string }[]).some((e) => e.name === 'reconnected') ? 1 : 0) {
        await room.localParticipant.publishData(new TextEncoder().encode(String(n++)), { reliable: true, topic: 'count' });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await resuming;
      return n;
    });
    const numbers = async () => (await data(ben)).filter((d) => d.topic === 'count').map((d) => Number(d.text));
    await expect.poll(async () => (await numbers()).length).toBeGreaterThanOrEqual(sent);
    expect(await numbers()).toEqual(Array.from({ length: sent }, (_, n) => n));

    const large = 'x'.repeat(63_900); // with its header 64,000 at most
    await send(ann, large, { reliable: true });
    await expect.poll(async () => (await data(ben)).at(-1)?.text.length).toBe(large.length);
  });
}

test('check 17: texts, files and calls between livekit-client and the Go SDK', async ({ join, server }) => {
  const folder = mkdtempSync(path(tmpdir(), 'compat-'));
  const program = path(folder, 'goclient');
  execFileSync('go', ['build', '-o', program, './test/compat/goclient'], { cwd: path(import.meta.dirname, '../..') });
  const go = spawn(program, [server.url.replace('http', 'ws'), mint({ identity: 'go', room: 'both' })], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const ann = await join('ann', { room: 'both' });
    await expect.poll(async () => (await ann.state()).others.map((o) => o.identity)).toEqual(['go']);
    await sendText(ann, 'hello');
    await expect.poll(() => texts(ann)).toContainEqual({ identity: 'go', text: 'echo hello' });
    await sendFile(ann);
    const digest = createHash('sha256').update(Uint8Array.from(file)).digest('hex');
    await expect.poll(() => texts(ann)).toContainEqual({ identity: 'go', text: `file ${file.length} ${digest}` });
    expect(await call(ann, 'go')).toBe('ann:xx');
    await sendText(ann, 'call me');
    await expect.poll(() => texts(ann)).toContainEqual({ identity: 'go', text: 'called go:gogo' });
  } finally {
    go.kill('SIGINT');
    await once(go, 'exit');
    rmSync(folder, { recursive: true });
  }
});
