import { afterEach, describe, expect, it, vi } from 'vitest';
import { CallApi } from '../src/core/calls';
import { Refused, troubleOf } from '../src/core/client';

const call = (answer: () => Promise<Response>, token = () => 'tok') => {
  const send = vi.fn(answer);
  const api = new CallApi('wss://call.example', 'call-1', token, send);
  const request = () => send.mock.calls.at(-1) as unknown as [string, RequestInit];
  return { api, send, request };
};
const json = (body: unknown, status = 200) => () => Promise.resolve(Response.json(body, { status }));
const empty = () => Promise.resolve(new Response(null, { status: 204 }));

afterEach(() => {
  vi.restoreAllMocks();
});

describe('CallApi', () => {
  it.each<[string, (api: CallApi) => Promise<unknown>, string, string, unknown]>([
    ['admit', (api) => api.admit('guest 1/2'), 'POST', '/participants/guest%201%2F2/admit', undefined],
    ['remove', (api) => api.remove('gus', false), 'DELETE', '/participants/gus?ban=false', undefined],
    ['ban', (api) => api.remove('gus', true), 'DELETE', '/participants/gus?ban=true', undefined],
    ['mute', (api) => api.mute('gus', { audio: true, video: false }), 'POST', '/participants/gus/mute', { audio: true, video: false }],
    ['lower a hand', (api) => api.lowerHand('vera'), 'DELETE', '/participants/vera/hand', undefined],
    ['let speak', (api) => api.letSpeak('vera', true), 'PUT', '/participants/vera/voice', { may_speak: true }],
    ['raise a hand', (api) => api.raiseHand(true), 'PUT', '/hand', { raised: true }],
    ['lock', (api) => api.lock(true), 'PATCH', '', { locked: true }],
    ['end', (api) => api.end(), 'POST', '/end', {}],
  ])('asks the server to %s', async (_name, act, method, path, body) => {
    const { api, request } = call(empty);
    await act(api);
    const [url, init] = request();
    expect(url).toBe(`https://call.example/v1/calls/call-1${path}`);
    expect(init.method).toBe(method);
    expect(init.headers).toEqual({ Authorization: 'Bearer tok', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) });
    expect(init.body === undefined ? undefined : JSON.parse(init.body as string)).toEqual(body);
  });

  it('reads the lock, who waits and the new link', async () => {
    expect(await call(json({ locked: true })).api.read()).toEqual({ locked: true });
    const items = [
      { identity: 'guest-1', name: 'Gus', role: 'guest', since: '2026-11-21T08:00:02Z' },
      { identity: 'guest-2', name: ' ', since: '2026-11-21T08:00:01.5Z' },
    ];
    expect(await call(json({ items })).api.waiting()).toEqual([
      { identity: 'guest-2', name: 'guest-2' },
      { identity: 'guest-1', name: 'Gus' },
    ]);
    expect(await call(json({ url: 'https://call.example/call#invite=c' }, 201)).api.invite()).toBe('https://call.example/call#invite=c');
  });

  it('uses the token of the moment', async () => {
    let token = 'old';
    const { api, request } = call(empty, () => token);
    token = 'new';
    await api.end();
    expect(request()[1].headers).toMatchObject({ Authorization: 'Bearer new' });
  });

  it.each([
    [401, 'expired'],
    [403, 'forbidden'],
    [404, 'gone'],
    [409, 'failed'],
    [429, 'busy'],
    [500, 'failed'],
    [503, 'busy'],
  ])('status %d means %s', async (status, trouble) => {
    await expect(call(json({ code: 'x' }, status)).api.end()).rejects.toMatchObject({ trouble });
  });

  it('says when nobody answers, or something else than the server', async () => {
    await expect(call(() => Promise.reject(new TypeError('offline'))).api.end()).rejects.toMatchObject({ trouble: 'unreachable' });
    await expect(call(() => Promise.resolve(new Response('<html>'))).api.read()).rejects.toMatchObject({ trouble: 'failed' });
    expect(troubleOf(new Error('what'))).toBe('failed');
  });

  it('does not wait for ever', async () => {
    const over = new AbortController();
    const limit = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(over.signal);
    const send = (_input: unknown, init?: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(new DOMException('late', 'TimeoutError')));
      });
    const asked = new CallApi('https://call.example', 'c', () => 't', send).end();
    over.abort();
    await expect(asked).rejects.toMatchObject({ trouble: 'unreachable' });
    expect(limit).toHaveBeenCalledWith(10_000);
  });

  it('names nobody in what it throws', async () => {
    const error: unknown = await call(json({}, 404)).api.admit('gus').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Refused);
    expect((error as Error).message).toBe('post /v1/calls/{callId}/participants/{identity}/admit: gone');
  });
});
