import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { resolve } from 'node:path';

const binary = resolve(process.env['CARELINE_BIN'] ?? resolve(import.meta.dirname, '../../bin/careline'));

async function freeTCP(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('finding a free TCP port: no address');
  return address.port;
}

async function freeUDP(): Promise<number> {
  const socket = createSocket('udp4').bind(0);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

export interface Link {
  identity: string;
  name: string;
  token: string;
  url: string;
}

/** A call and the whole links into it: by identity, and for guests under `guests`. */
export interface KindOfCall {
  room: string;
  links: Record<string, string>;
}

/** A server of its own, in development mode on free ports. */
export interface Server {
  /** The page's origin. */
  url: string;
  /** Its UDP port for media. */
  mediaPort: number;
  /** What the server wrote so far. */
  log(): string;
  /** Makes a call and returns its two links, whole. */
  call(room?: string): Promise<{ room: string; links: [Link, Link] }>;
  /** Makes a call of a kind, as the start page does. */
  callOf(kind: 'direct' | 'conference' | 'broadcast', options?: { title?: string; waiting_room?: boolean }): Promise<KindOfCall>;
  /** Stops it in order and returns its exit code. */
  stop(): Promise<number | null>;
}

async function make(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${url}/dev/call`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Origin: url },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`making a call: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Starts `bin/careline` with further environment, on the port of another server's URL if one is given; throws with its output when it does
 * not come up. */
export async function startServer(environment: Record<string, string> = {}, at?: string): Promise<Server> {
  if (!existsSync(binary)) throw new Error(`${binary} does not exist: run "make build" first`);
  const port = at ? Number(new URL(at).port) : await freeTCP();
  const mediaPort = await freeUDP();
  const child = spawn(binary, ['serve', '--dev'], {
    env: {
      ...process.env,
      CARELINE_HTTP_ADDRESS: `127.0.0.1:${port}`,
      CARELINE_RTC_TCP_PORT: String(await freeTCP()),
      CARELINE_RTC_UDP_PORT: String(mediaPort),
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  let over = false;
  void exited.then(() => (over = true));

  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + 20_000;
  for (;;) {
    if (over || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`the server did not come up:\n${output}`);
    }
    try {
      if ((await fetch(url)).ok) break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    url,
    mediaPort,
    log: () => output,
    async call(room) {
      const call = (await make(url, room ? { room } : {})) as { room: string; links: [Link, Link] };
      for (const link of call.links) link.url = new URL(link.url, url).href;
      return call;
    },
    async callOf(kind, options = {}) {
      const { room, links } = (await make(url, { kind, ...options })) as { room: string; links: Partial<Link>[] };
      return { room, links: Object.fromEntries(links.map((link) => [link.identity ?? 'guests', new URL(link.url ?? '', url).href])) };
    },
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      const code = await exited;
      clearTimeout(timer);
      return code;
    },
  };
}

/** A wire to a server's HTTP port that a test can cut; media goes past it. */
export interface Wire {
  url: string;
  /** Ends all connections and takes no new ones until `mend`. */
  cut(): void;
  mend(): void;
  close(): void;
}

export async function startWire(target: string): Promise<Wire> {
  const port = Number(new URL(target).port);
  const open = new Set<Socket>();
  let whole = true;
  const listener = createServer((near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      open.add(socket);
      // The end of one side ends the other; what exactly broke does not matter here.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('starting a wire: no address');
  const cut = () => {
    whole = false;
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    cut,
    mend: () => (whole = true),
    close: () => {
      cut();
      listener.close();
    },
  };
}
