import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { resolve } from 'node:path';
import type { Page } from '../../test/e2e/node_modules/@playwright/test/index.js';
import { mint } from '../../test/e2e/fixtures.ts';
import { startServer } from '../../test/e2e/server.ts';
import type { Mode } from '../../test/compat/client.ts';
import { expect, modes, test } from '../../test/compat/client.ts';

const rounds = Number(process.env['ROUNDS'] ?? 3);
const joins = 5;
const span = 4000; // ms of pictures in each measurement from glass to glass

interface Glass {
  median: number;
  p95: number;
  frames: number;
}

interface Call {
  glass: Glass;
  mute: number;
  trip: number;
  quiet: number;
  resumeViewer: number;
  resumeSender: number;
  fullViewer: number;
  fullSender: number;
}

interface Bars {
  floor(ms: number): Promise<Glass>;
  call(url: string, tokens: { sender: string; viewer: string }, options: object, ms: number): Promise<Call>;
  publish(url: string, token: string): Promise<void>;
  join(url: string, token: string, options: object): Promise<number>;
}

const median = (values: number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
};

const options = (mode: Mode): object => (mode === 'single' ? {} : { singlePeerConnection: false });

test('bars of a call in the browser', async ({ browser, pages }) => {
  // One address, as a server on the internet has: a browser tries all that it is told, one after the other.
  const server = await startServer({ CARELINE_RTC_ADDRESSES_INCLUDE: '127.0.0.0/8', CARELINE_RTC_IPV6: 'false' });
  const url = server.url.replace('http', 'ws');
  const open = async (): Promise<Page> => {
    const page = await (await browser.newContext({ viewport: { width: 1300, height: 1000 } })).newPage();
    await page.goto(pages);
    await page.waitForFunction(() => window.compat !== undefined);
    await page.addScriptTag({ path: resolve(import.meta.dirname, 'page.js'), type: 'module' });
    await page.waitForFunction(() => 'bars' in window);
    return page;
  };
  const floors: Glass[] = [];
  const calls: Record<Mode, Call[]> = { single: [], dual: [] };
  const joined: Record<Mode, number[]> = { single: [], dual: [] };
  for (let round = 0; round < rounds; round++) {
    const page = await open();
    floors.push(await page.evaluate((ms) => (window as unknown as { bars: Bars }).bars.floor(ms), span));
    await page.context().close();
    for (const mode of modes) {
      const room = `bars-${mode}-${round}`;
      const token = (identity: string) => mint({ identity, room });
      const page = await open();
      calls[mode].push(
        await page.evaluate(([url, tokens, options, ms]) => (window as unknown as { bars: Bars }).bars.call(url, tokens, options, ms), [
          url,
          { sender: token('sender'), viewer: token('viewer') },
          options(mode),
          span,
        ] as const),
      );
      await page.evaluate(([url, token]) => (window as unknown as { bars: Bars }).bars.publish(url, token), [url, mint({ identity: 'camera', room: `${room}-late` })] as const);
      for (let i = 0; i < joins; i++) {
        const late = await open();
        joined[mode].push(
          await late.evaluate(([url, token, options]) => (window as unknown as { bars: Bars }).bars.join(url, token, options), [
            url,
            mint({ identity: `late-${i}`, room: `${room}-late` }),
            options(mode),
          ] as const),
        );
        await late.context().close();
      }
      await page.context().close();
    }
  }

  expect(await server.stop()).toBe(0);

  const spread = (values: number[]): string =>
    `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)})`;
  const floor = { median: median(floors.map((f) => f.median)), p95: median(floors.map((f) => f.p95)) };
  const lines: [string, string, (mode: Mode) => number[]][] = [
    ['glass to glass, median', `<= ${(floor.median + 5).toFixed(1)}`, (mode) => calls[mode].map((c) => c.glass.median)],
    ['glass to glass, p95', `<= ${(floor.p95 + 10).toFixed(1)}`, (mode) => calls[mode].map((c) => c.glass.p95)],
    ['join to first frame', '<= 200', (mode) => joined[mode]],
    ['data round trip, reliable', '<= 5', (mode) => calls[mode].map((c) => c.trip)],
    ['mute to seen at the other side', '<= 7', (mode) => calls[mode].map((c) => c.mute)],
    ['longest time between two pictures, nothing happens', '-', (mode) => calls[mode].map((c) => c.quiet)],
    ['picture gap, the viewer resumes', '<= 100', (mode) => calls[mode].map((c) => c.resumeViewer)],
    ['picture gap, the sender resumes', '<= 100', (mode) => calls[mode].map((c) => c.resumeSender)],
    ['picture gap, the viewer reconnects fully', '-', (mode) => calls[mode].map((c) => c.fullViewer)],
    ['picture gap, the sender reconnects fully', '<= 283', (mode) => calls[mode].map((c) => c.fullSender)],
  ];
  const table = [
    `livekit-client in Chromium ${browser.version()}, ${rounds} rounds, ${cpus().length} CPUs, load average ${(loadavg()[0] ?? 0).toFixed(1)}; ms, median (least-largest).`,
    '',
    '| figure | bar | one connection | two connections |',
    '|---|---|---|---|',
    `| no server: glass to glass, median | - | ${spread(floors.map((f) => f.median))} | |`,
    `| no server: glass to glass, p95 | - | ${spread(floors.map((f) => f.p95))} | |`,
    ...lines.map(([name, bar, values]) => `| ${name} | ${bar} | ${modes.map((mode) => spread(values(mode))).join(' | ')} |`),
  ].join('\n');
  const out = resolve(import.meta.dirname, '../../test-results');
  mkdirSync(out, { recursive: true });
  writeFileSync(resolve(out, 'bars.md'), `${table}\n`);
  writeFileSync(resolve(out, 'bars.json'), JSON.stringify({ floors, calls, joined }, undefined, 1));
  console.log(`\n${table}\n`);
  // A table of nothing would look like a good one.
  for (const mode of modes) for (const call of calls[mode]) expect(call.glass.frames).toBeGreaterThan(60);
});
