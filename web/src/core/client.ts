import type { components, paths } from '../generated/api';

/** What the server's description of its API calls its types. */
export type Schemas = components['schemas'];

/** Why the server did not do what was asked, in the terms the reader is told about it. */
export type Trouble = 'expired' | 'forbidden' | 'gone' | 'busy' | 'unreachable' | 'failed';

/** A request that the server refused, or that it did not answer. */
export class Refused extends Error {
  override name = 'Refused';
  /** The problem's code, where the server named one. */
  readonly code: string;
  /** How many milliseconds the server asks to wait. */
  readonly wait: number;

  constructor(
    what: string,
    readonly trouble: Trouble,
    options?: ErrorOptions & { code?: string; wait?: number },
  ) {
    super(`${what}: ${trouble}`, options);
    this.code = options?.code ?? '';
    this.wait = options?.wait ?? 0;
  }
}

/** What an error means for the reader. */
export function troubleOf(error: unknown): Trouble {
  return error instanceof Refused ? error.trouble : 'failed';
}

const byStatus: Partial<Record<number, Trouble>> = { 401: 'expired', 403: 'forbidden', 404: 'gone', 429: 'busy', 503: 'busy' };

/** How long an answer may take, in milliseconds. */
const patience = 10_000;

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
type PathWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, object> ? P : never }[keyof paths];
type Operation<M extends Method, P extends PathWith<M>> = paths[P] extends Record<M, infer O> ? O : never;

type Parameter<O, K extends string> = O extends { parameters: infer Q } ? (K extends keyof Q ? Q[K] : undefined) : undefined;
type Content<T> = T extends { content: infer C } ? C[keyof C] : never;
type BodyOf<O> = O extends { requestBody?: infer B } ? Content<B> | Extract<B, undefined> : undefined;
/** A field that is needed, may be given, or does not exist. */
type Field<N extends string, T> = [T] extends [undefined] ? unknown : undefined extends T ? Partial<Record<N, T>> : Record<N, T>;
type Asked<O> = Field<'path', Parameter<O, 'path'>> & Field<'query', Parameter<O, 'query'>> & Field<'header', Parameter<O, 'header'>> & Field<'body', BodyOf<O>>;

type Good<R> = Content<R[Extract<keyof R, 200 | 201>]>;
type Answer<O> = O extends { responses: infer R } ? ([Good<R>] extends [never] ? undefined : Good<R>) : never;

/** All that a request of any operation may carry. */
interface Parts {
  path?: Record<string, string | number>;
  query?: Record<string, string | number | boolean | undefined>;
  header?: Record<string, string>;
  body?: unknown;
}

/** How a request is sent besides what it asks. */
export interface Manner {
  /** Milliseconds until it is given up. */
  patience?: number;
  signal?: AbortSignal;
}

/**
 * The server's API over HTTP, with the types of its own description. Paths are written as they are described, their
 * parameters given beside them. Every method throws `Refused`.
 */
export class Client {
  private readonly origin: string;

  /** `token` returns the newest token: long sessions get new ones on the way. */
  constructor(
    server: string,
    private readonly token: () => string,
    private readonly send: typeof fetch = (input, init) => fetch(input, init),
  ) {
    this.origin = new URL(server.replace(/^ws/, 'http')).origin;
  }

  /** Asks for JSON, or does something that has no answer. */
  async ask<M extends Method, P extends PathWith<M>>(
    method: M,
    path: P,
    asked: Asked<Operation<M, P>>,
    manner: Manner = {},
  ): Promise<Answer<Operation<M, P>>> {
    const text = await this.exchange(method, path, asked as Parts, manner, (response) => response.text());
    if (!text) return undefined as Answer<Operation<M, P>>;
    try {
      return JSON.parse(text) as Answer<Operation<M, P>>;
    } catch (cause) {
      throw new Refused(`${method} ${path}`, 'failed', { cause });
    }
  }

  /** Asks for a file. */
  file<P extends PathWith<'get'>>(path: P, asked: Asked<Operation<'get', P>>, manner: Manner = {}): Promise<Blob> {
    return this.exchange('get', path, asked as Parts, manner, (response) => response.blob());
  }

  private async exchange<T>(method: Method, path: string, asked: Parts, manner: Manner, read: (response: Response) => Promise<T>): Promise<T> {
    const what = `${method} ${path}`;
    const limit = AbortSignal.timeout(manner.patience ?? patience);
    let response: Response;
    try {
      response = await this.send(this.address(path, asked), {
        method: method.toUpperCase(),
        headers: { Authorization: `Bearer ${this.token()}`, ...typeOf(asked.body), ...asked.header },
        ...(asked.body === undefined ? {} : { body: asked.body instanceof Blob ? asked.body : JSON.stringify(asked.body) }),
        signal: manner.signal ? either(manner.signal, limit) : limit,
      });
      if (response.ok) return await read(response);
    } catch (cause) {
      throw new Refused(what, 'unreachable', { cause });
    }
    throw await refusal(what, response);
  }

  private address(path: string, { path: values = {}, query = {} }: Parts): string {
    const url = new URL(this.origin + path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? '')));
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url.href;
  }
}

function typeOf(body: unknown): Record<string, string> {
  if (body === undefined) return {};
  return { 'Content-Type': body instanceof Blob ? 'application/octet-stream' : 'application/json' };
}

async function refusal(what: string, response: Response): Promise<Refused> {
  const problem = (await response.json().catch(() => ({}))) as Partial<Schemas['Problem']> | null;
  const seconds = Number(response.headers.get('Retry-After'));
  return new Refused(what, byStatus[response.status] ?? 'failed', {
    code: typeof problem?.code === 'string' ? problem.code : '',
    wait: seconds > 0 ? seconds * 1000 : 0,
  });
}

// AbortSignal.any is missing in browsers of phones that are still about.
function either(one: AbortSignal, other: AbortSignal): AbortSignal {
  const both = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) both.abort(signal.reason);
    signal.addEventListener('abort', () => both.abort(signal.reason), { once: true });
  }
  return both.signal;
}
