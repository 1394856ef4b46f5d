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
  info?: {
    mimeType?: string;
    mid?: string;
    simulcast?: boolean;
    encryption?: string;
    layers?: { rid?: string; ssrc?: number }[];
    codecs?: { mimeType?: string; layers?: { rid?: string }[] }[];
  };
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
  status?: string;
}

/** What a browser counts of a received track; zero where it does not apply. */
export interface Inbound {
  mime?: string;
  /** Of the newest frame, in pixels. */
  width: number;
  frames: number;
  /** Seconds that the picture stood still too long, so far. */
  frozen: number;
  packets: number;
  bytes: number;
  lost: number;
  repaired: number;
  nacks: number;
  plis: number;
}

/** What a browser counts of one encoding that it sends. */
export interface Encoding {
  rid?: string;
  mime?: string;
  active: boolean;
  mode?: string;
  width: number;
  frames: number;
  packets: number;
}

export interface Description {
  side: 'local' | 'remote';
  type: 'offer' | 'answer';
  sections: number;
  bytes: number;
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
  /** livekit-client's RoomOptions. */
  options?: object;
  /** Its RoomConnectOptions. */
  connect?: object;
  /** Types that the browser pretends not to know, in lower case. */
  without?: string[];
  /** The port of a line that carries all media, instead of the server's. */
  linePort?: number;
  /** Encrypts from end to end. */
  passphrase?: string;
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
    let found: Track[] = [];
    const find = async () => {
      const other = (await this.state()).others.find((o) => o.identity === identity);
      found = other?.tracks.filter((t) => t.source === source && t.subscribed) ?? [];
      return found.length;
    };
    await expect.poll(find, { message: `${this.identity} receives the ${source} of ${identity}` }).toBe(1);
    return found[0]!;
  }

  async inbound(identity: string, source = 'camera'): Promise<Inbound> {
    const found = await this.page.evaluate(
      ([identity, source]) => window.compat.inbound(identity, source) as Promise<Inbound | undefined>,
      [identity, source] as const,
    );
    return found ?? { width: 0, frames: 0, frozen: 0, packets: 0, bytes: 0, lost: 0, repaired: 0, nacks: 0, plis: 0 };
  }

  outbound(source = 'camera'): Promise<{ encodings: Encoding[]; available: number }> {
    return this.page.evaluate((source) => window.compat.outbound(source) as Promise<{ encodings: Encoding[]; available: number }>, source);
  }

  descriptions(): Promise<Description[]> {
    return this.page.evaluate(() => window.compat.descriptions as Description[]);
  }

  /** Calls a method of what it has of another's track. */
  async onTrack(identity: string, source: string, method: string, ...args: unknown[]): Promise<void> {
    await this.page.evaluate(
      ([identity, source, method, args]) => {
        const publication = window.compat.room.remoteParticipants.get(identity).getTrackPublication(source);
        publication[method](...args);
      },
      [identity, source, method, args] as const,
    );
  }

  /** Waits until the frames decoded of another's track have this width and go on, 0: any width. */
  async decodes(identity: string, width = 0, source = 'camera'): Promise<void> {
    const wanted = `${this.identity} decodes ${width || ''} the ${source} of ${identity}`;
    await expect.poll(async () => (await this.inbound(identity, source)).width, { message: wanted })[width ? 'toBe' : 'toBeGreaterThan'](width);
    const { frames } = await this.inbound(identity, source);
    await expect.poll(async () => (await this.inbound(identity, source)).frames - frames, { message: wanted }).toBeGreaterThan(10);
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
        ([url, token, how]) => window.compat.connect(url, token, how) as Promise<void>,
        [
          (options.url ?? server.url).replace('http', 'ws'),
          token,
          {
            // The default mode is left to livekit-client, as applications do.
            room: { ...options.options, ...(options.mode === 'dual' ? { singlePeerConnection: false } : {}) },
            connect: {
              autoSubscribe: options.autoSubscribe ?? true,
              rtcConfig: options.relayOnly ? { iceTransportPolicy: 'relay' } : undefined,
              ...options.connect,
            },
            without: options.without,
            linePort: options.linePort,
            passphrase: options.passphrase,
          },
        ] as const,
      );
      return new Client(page, identity, sockets);
    });
    for (const context of contexts) await context.close();
  },
});
