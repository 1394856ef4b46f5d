import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { Browser, BrowserType, Page } from '../e2e/node_modules/@playwright/test/index.js';
import { mint } from '../e2e/fixtures.ts';
import { flags } from '../e2e/playwright.config.ts';
import { Client, expect, test } from './client.ts';

// The server in one network namespace, Chromium in another, and a firewall between them that lets only one way through: see ../firewall.
const serverIP = '10.77.0.1';
const binary = resolve(process.env['CARELINE_BIN'] ?? resolve(import.meta.dirname, '../../bin/careline'));

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

class Network {
  readonly server = `careline-${process.pid}-s`;
  readonly client = `careline-${process.pid}-c`;
  private rules = 0;

  lay(): void {
    ip('netns', 'add', this.server);
    ip('netns', 'add', this.client);
    ip('link', 'add', 'cable', 'netns', this.server, 'type', 'veth', 'peer', 'name', 'cable', 'netns', this.client);
    for (const [name, address] of [[this.server, serverIP], [this.client, '10.77.0.2']] as const) {
      ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'cable');
      ip('-n', name, 'link', 'set', 'lo', 'up');
      ip('-n', name, 'link', 'set', 'cable', 'up');
    }
    // What is asked before the table of own addresses works as a filter of what comes in.
    ip('-n', this.server, 'rule', 'add', 'pref', '1000', 'lookup', 'local');
    ip('-n', this.server, 'rule', 'del', 'pref', '0');
  }

  open(protocol: string, port: number): void {
    const pref = String(++this.rules);
    ip('-n', this.server, 'rule', 'add', 'pref', pref, 'iif', 'cable', 'ipproto', protocol, 'dport', String(port), 'lookup', 'local');
  }

  shut(...protocols: string[]): void {
    protocols.forEach((protocol, i) => ip('-n', this.server, 'rule', 'add', 'pref', String(900 + i), 'iif', 'cable', 'ipproto', protocol, 'blackhole'));
  }

  clear(): void {
    for (const name of [this.server, this.client]) {
      try {
        ip('netns', 'del', name);
      } catch {
        continue; // it was never made
      }
    }
  }
}

function mayLay(): boolean {
  const probe = `careline-${process.pid}-probe`;
  try {
    ip('netns', 'add', probe);
    ip('netns', 'del', probe);
    return true;
  } catch {
    return false;
  }
}

const folders = [resolve(import.meta.dirname, 'page'), resolve(import.meta.dirname, '../../web/node_modules/livekit-client/dist')];

function readPage(name: string): Buffer | undefined {
  const path = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  return path === undefined ? undefined : readFileSync(path);
}

async function serve(network: Network, dir: string, environment: Record<string, string>): Promise<() => Promise<void>> {
  const child = spawn('ip', ['netns', 'exec', network.server, binary, 'serve', '--dev'], {
    env: { ...process.env, CARELINE_HTTP_ADDRESS: ':443', CARELINE_HTTP_TLS_MODE: 'self', CARELINE_DATA_DIR: dir, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (data: Buffer) => (log += data.toString()));
  await expect.poll(() => log, { message: 'the server comes up' }).toContain('msg=serving');
  return async () => {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  };
}

async function enter(browser: Browser, identity: string, mode: string): Promise<Client> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, permissions: ['camera', 'microphone'] });
  // Pages of a test's own under the server's origin, which is a secure one: cameras need it.
  await context.route(`https://${serverIP}/**`, async (route) => {
    const name = basename(new URL(route.request().url()).pathname) || 'index.html';
    const body = readPage(name);
    const contentType = name.endsWith('js') ? 'text/javascript' : 'text/html';
    await route.fulfill(body === undefined ? { status: 404 } : { body, contentType });
  });
  const page: Page = await context.newPage();
  await page.goto(`https://${serverIP}/`);
  await page.waitForFunction(() => window.compat !== undefined);
  await page.evaluate(
    ([url, token, single]) => window.compat.connect(url, token, single ? {} : { singlePeerConnection: false }, {}) as Promise<void>,
    [`wss://${serverIP}`, mint({ identity, room: `firewall-${mode}` }), mode === 'single'] as const,
  );
  return new Client(page, identity, []);
}

const ways = [
  { name: 'TURN over UDP', protocol: 'udp', port: 3478, seen: 'udp' },
  { name: 'TURN over TCP', protocol: 'tcp', port: 3478, seen: 'tcp' },
  { name: 'TURN over TLS', protocol: 'tcp', port: 5349, seen: 'tls' },
  { name: 'ICE over TCP', protocol: 'tcp', port: 7881, seen: 'direct' },
  { name: 'the HTTPS port', protocol: 'tcp', port: 443, seen: 'tls', environment: { CARELINE_TURN_SHARE_HTTPS_PORT: 'true' } },
];

test.describe('check 38: behind a firewall', () => {
  test.skip(!mayLay(), 'no network namespaces here');
  let network: Network;
  let dir: string;
  let browser: Browser;
  let stop: (() => Promise<void>) | undefined;

  test.beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'firewall-'));
    network = new Network();
    network.lay();
  });
  test.afterEach(async () => {
    await browser.close();
    await stop?.();
    stop = undefined;
    network.clear();
    rmSync(dir, { recursive: true });
  });
  const launch = (chromium: BrowserType) => {
    const wrapper = join(dir, 'chromium');
    writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${network.client} ${process.env['CHROMIUM'] ?? '/usr/bin/chromium'} "$@"\n`);
    chmodSync(wrapper, 0o700);
    return chromium.launch({ executablePath: wrapper, args: [...flags, '--ignore-certificate-errors', '--disable-features=LocalNetworkAccessChecks'] });
  };

  for (const way of ways) {
    test(`only ${way.name} is open`, async ({ playwright }) => {
      stop = await serve(network, dir, way.environment ?? {});
      network.open('tcp', 443); // signalling
      network.open(way.protocol, way.port);
      network.shut('udp', 'tcp');
      browser = await launch(playwright.chromium);
      for (const mode of ['single', 'dual']) {
        const ann = await enter(browser, 'ann', mode);
        const ben = await enter(browser, 'ben', mode);
        await ann.publish();
        await ben.receives('ann', 'camera');
        await ben.hears();
        for (const client of [ann, ben]) {
          expect(await client.page.evaluate(() => window.compat.ways() as Promise<string[]>)).toEqual([way.seen]);
        }
        for (const client of [ann, ben]) await client.page.context().close();
      }
    });
  }

  test('UDP is cut in the middle of a call', async ({ playwright }) => {
    stop = await serve(network, dir, {});
    browser = await launch(playwright.chromium);
    const ann = await enter(browser, 'ann', 'single');
    const ben = await enter(browser, 'ben', 'single');
    await ann.publish();
    await ben.hears();
    network.shut('udp');
    // Sound that comes after a silence of a second has found another way.
    const took = await ben.page.evaluate(async () => {
      const cut = performance.now();
      let last = cut;
      for (let heard = 0; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
        const now = (await window.compat.energy()) as number;
        if (now === heard) continue;
        if (performance.now() - last > 1_000) return performance.now() - cut;
        [heard, last] = [now, performance.now()];
      }
    });
    console.log(`sound was back ${Math.round(took)} ms after UDP was cut`);
    expect(await ben.page.evaluate(() => window.compat.ways() as Promise<string[]>)).not.toContain('udp');
  });
});
