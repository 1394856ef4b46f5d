import type { Page } from '../e2e/node_modules/@playwright/test/index.js';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, resolve } from 'node:path';
import { expect, mint, test as base } from '../e2e/fixtures.ts';

export { expect };

/** How many peer connections a client uses. livekit-client's default is one. */
export type Mode = 'single' | 'dual';
export const modes: Mode[] = ['single', 'dual'];

interface Track {
  sid: string;
  source: string;
  muted: boolean;
  subscribed: boolean;
  info?: { mimeType?: string; mid?: string; simulcast?: boolean; layers?: { rid?: string; ssrc?: number }[]; codecs?: { layers?: { rid?: string }[] }[] };
}

export interface State {
  state: string;
  sid: string;
  permissions: Record<string, unknown>;
  tracks: Track[];
  others: { identity: string; sid: string; tracks: Track[] }[];
}

export interface Event {
  name: string;
  identity?: string;
  sid?: string;
  source?: string;
  reason?: string;
}

declare global {
  interface Window {
    // What page/compat.js puts there; livekit-client is plain JavaScript to these specs.
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    compat: any;
  }
}

export interface JoinOptions {
  mode?: Mode;
  room: string;
  video?: object;
  autoSubscribe?: boolean;
  /** Let nothing but the relay carry media. */
  relayOnly?: boolean;
  /** Another server than the worker's. */
  url?: string;
}

/** A page with one livekit-client in a call. */
export class Client {
  constructor(
    readonly page: Page,
    readonly identity: string,
    /** Paths of the WebSockets that it opened. */
    readonly sockets: string[],
  ) {}

  state(): Promise<State> {
    return this.page.evaluate(() => window.compat.state() as State);
  }

  events(): Promise<Event[]> {
    return this.page.evaluate(() => window.compat.events as Event[]);
  }

  async event(name: string, match: Partial<Event> = {}): Promise<Event | undefined> {
    const fits = (event: Event) => event.name === name && Object.entries(match).every(([key, value]) => event[key as keyof Event] === value);
    return (await this.events()).find(fits);
  }

  async publish(): Promise<void> {
    await this.page.evaluate(() => window.compat.room.localParticipant.enableCameraAndMicrophone() as Promise<void>);
  }

  /** Waits until a track of another is subscribed, and returns it. */
  async receives(identity: string, source: string): Promise<Track> {
    const find = async () => (await this.state()).others.find((o) => o.identity === identity)?.tracks.find((t) => t.source === source && t.subscribed);
    await expect.poll(async () => (await find()) !== undefined, { message: `${this.identity} receives the ${source} of ${identity}` }).toBe(true);
    const track = await find();
    if (!track) throw new Error(`the ${source} of ${identity} went away`);
    return track;
  }

  video(identity: string, source = 'camera') {
    return this.page.locator(`[id="${identity}-${source}"]`);
  }

  async hears(): Promise<void> {
    const energy = () => this.page.evaluate(() => window.compat.energy() as Promise<number>);
    const before = await energy();
    await expect.poll(async () => (await energy()) - before, { message: `${this.identity} hears` }).toBeGreaterThan(0.0001);
  }
}

const folders = [resolve(import.meta.dirname, 'page'), resolve(import.meta.dirname, '../../web/node_modules/livekit-client/dist')];

async function readPage(url: string): Promise<Buffer> {
  const name = basename(url) || 'index.html';
  for (const folder of folders) {
    try {
      return await readFile(resolve(folder, name));
    } catch {
      continue;
    }
  }
  throw new Error(`no page ${name}`);
}

export const test = base.extend<{ join: (identity: string, options: JoinOptions) => Promise<Client> }, { pages: string }>({
  // An origin of its own, as applications have. It is a real one because browsers keep pages of unknown origin off the loopback.
  pages: [
    async ({}, use) => {
      const http = createServer((request, response) => {
        const type = /js$/.test(request.url ?? '') ? 'text/javascript' : 'text/html';
        readPage(request.url ?? '').then(
          (body) => response.setHeader('Content-Type', type).end(body),
          () => response.writeHead(404).end(),
        );
      }).listen(0, '127.0.0.1');
      await once(http, 'listening');
      const address = http.address();
      if (address === null || typeof address === 'string') throw new Error('serving pages: no address');
      await use(`http://127.0.0.1:${address.port}/`);
      http.closeAllConnections();
      http.close();
    },
    { scope: 'worker' },
  ],
  join: async ({ browser, pages, server }, use) => {
    const contexts: { close(): Promise<void> }[] = [];
    await use(async (identity, options) => {
      const context = await browser.newContext();
      contexts.push(context);
      const page = await context.newPage();
      const sockets: string[] = [];
      page.on('websocket', (socket) => sockets.push(new URL(socket.url()).pathname));
      await page.goto(pages);
      await page.waitForFunction(() => window.compat !== undefined);
      const token = mint({ identity, room: options.room, video: options.video });
      await page.evaluate(
        ([url, token, single, autoSubscribe, relayOnly]) => {
          // The default is left to livekit-client, as applications do.
          const options = single ? {} : { singlePeerConnection: false };
          const rtcConfig = relayOnly ? { iceTransportPolicy: 'relay' } : undefined;
          return window.compat.connect(url, token, options, { autoSubscribe, rtcConfig }) as Promise<void>;
        },
        [(options.url ?? server.url).replace('http', 'ws'), token, options.mode !== 'dual', options.autoSubscribe ?? true, options.relayOnly ?? false] as const,
      );
      return new Client(page, identity, sockets);
    });
    for (const context of contexts) await context.close();
  },
});
