import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

/** The path of a Firefox on this machine: FIREFOX, or the first one on PATH. */
export function findFirefox(): string | undefined {
  if (process.env['FIREFOX']) return process.env['FIREFOX'];
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return ['firefox-esr', 'firefox']
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

// A camera and a microphone without hardware, WebRTC on the loopback, and nobody outside to talk to.
const preferences = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.gmp-manager.updateEnabled': false,
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': 9,
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': 9,
};

interface Answer {
  id?: number;
  type: 'success' | 'error' | 'event';
  result?: unknown;
  error?: string;
  message?: string;
}

interface Evaluated {
  type: 'success' | 'exception';
  result?: { value?: string };
  exceptionDetails?: { text: string };
}

/** A tab of a Firefox; what specs use of Playwright's Page. */
export interface Tab {
  goto(url: string): Promise<void>;
  evaluate<T, A = undefined>(work: (argument: A) => T | Promise<T>, argument?: A): Promise<T>;
}

/**
 * A stock Firefox without a screen, spoken to over WebDriver BiDi, as Playwright's own protocol needs a patched one and its BiDi a
 * newer one than a distribution's ESR.
 */
export class Firefox {
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private last = 0;

  private constructor(
    private readonly child: ChildProcess,
    private readonly profile: string,
    private readonly socket: WebSocket,
  ) {
    socket.on('message', (data) => {
      // eslint-disable-next-line @typescript-eslint/no-base-to-string -- a text frame comes as one Buffer
      const answer = JSON.parse(data.toString()) as Answer;
      if (answer.id === undefined) return;
      this.waiting.get(answer.id)?.(answer);
      this.waiting.delete(answer.id);
    });
    socket.on('close', () => {
      for (const answer of this.waiting.values()) answer({ type: 'error', message: 'the connection to Firefox ended' });
      this.waiting.clear();
    });
  }

  static async launch(path: string): Promise<Firefox> {
    const profile = mkdtempSync(join(tmpdir(), 'careline-firefox-'));
    const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
    writeFileSync(join(profile, 'user.js'), lines.join(''));
    const child = spawn(path, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'], {
      env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    try {
      const socket = new WebSocket(`${await listening(child)}/session`);
      await once(socket, 'open');
      const firefox = new Firefox(child, profile, socket);
      await firefox.send('session.new', { capabilities: {} });
      return firefox;
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(profile, { recursive: true, force: true });
      throw error;
    }
  }

  private async send(method: string, params: object): Promise<unknown> {
    const id = ++this.last;
    const answer = await new Promise<Answer>((resolve) => {
      this.waiting.set(id, resolve);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
    if (answer.type === 'error') throw new Error(`${method}: ${answer.error ?? ''} ${answer.message ?? ''}`);
    return answer.result;
  }

  /** A tab with cookies and storage of its own. */
  async tab(): Promise<Tab> {
    const { userContext } = (await this.send('browser.createUserContext', {})) as { userContext: string };
    // A window, because tabs behind another one do not present pictures.
    const { context } = (await this.send('browsingContext.create', { type: 'window', userContext })) as { context: string };
    return {
      goto: async (url) => {
        await this.send('browsingContext.navigate', { context, url, wait: 'complete' });
      },
      evaluate: async <T, A>(work: (argument: A) => T | Promise<T>, argument?: A) => {
        const call = `(${work.toString()})(${argument === undefined ? '' : JSON.stringify(argument)})`;
        const answer = (await this.send('script.evaluate', {
          expression: `(async () => JSON.stringify({ value: await ${call} }))()`,
          awaitPromise: true,
          target: { context },
        })) as Evaluated;
        if (answer.type === 'exception') throw new Error(answer.exceptionDetails?.text);
        return (JSON.parse(answer.result?.value ?? '{}') as { value: T }).value;
      },
    };
  }

  async close(): Promise<void> {
    const exited = this.child.exitCode === null ? once(this.child, 'exit') : undefined;
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    try {
      await this.send('browser.close', {});
    } catch {
      this.child.kill('SIGTERM'); // it ended before it could answer, or does not answer
    }
    await exited;
    clearTimeout(timer);
    this.socket.terminate();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

/** Waits for Firefox to say where it listens. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const fail = (why: string): void => reject(new Error(`Firefox does not listen: ${why}\n${said.join('\n')}`));
    const timer = setTimeout(() => fail('60 s are over'), 60_000);
    child.on('error', (error) => fail(error.message));
    child.on('exit', (code) => fail(`it ended with ${code}`));
    if (!child.stderr) return fail('it has no standard error');
    createInterface(child.stderr).on('line', (line) => {
      said.push(line);
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(line);
      if (!found?.[1]) return;
      clearTimeout(timer);
      resolve(found[1]);
    });
  });
}
