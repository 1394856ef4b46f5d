import { describe, expect, it, vi } from 'vitest';
import { Client, Refused } from '../src/core/client';

function client(answer: () => Promise<Response>) {
  const send = vi.fn(answer);
  const made = new Client('wss://chat.example/anything', () => 'tok', send);
  const request = () => send.mock.calls.at(-1) as unknown as [string, RequestInit];
  return { made, request };
}

const caught = async (work: Promise<unknown>): Promise<Refused> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  throw new Error('it was not refused');
};

describe('Client', () => {
  it('puts parameters where the description says', async () => {
    const { made, request } = client(() => Promise.resolve(Response.json({ items: [], last_cpos: 3 })));
    const list = await made.ask('get', '/v1/conversations/{conversationId}/events', { path: { conversationId: 'a/b c' }, query: { after: 2, limit: undefined } });
    expect(list.last_cpos).toBe(3);
    const [url, init] = request();
    expect(url).toBe('https://chat.example/v1/conversations/a%2Fb%20c/events?after=2');
    expect(init).toMatchObject({ method: 'GET', headers: { Authorization: 'Bearer tok' } });
    expect(init.body).toBeUndefined();
  });

  it('sends JSON, bytes and headers', async () => {
    const { made, request } = client(() => Promise.resolve(new Response(null, { status: 204 })));
    await made.ask('post', '/v1/conversations/{conversationId}/typing', { path: { conversationId: 'c' }, body: { on: true } });
    expect(request()[1]).toMatchObject({ method: 'POST', body: '{"on":true}', headers: { 'Content-Type': 'application/json' } });
    const bytes = new Blob(['abc']);
    await made.ask('patch', '/v1/uploads/{uploadId}', { path: { uploadId: 'u' }, header: { 'Upload-Offset': '0' }, body: bytes });
    expect(request()[1].body).toBe(bytes);
    expect(request()[1].headers).toMatchObject({ 'Content-Type': 'application/octet-stream', 'Upload-Offset': '0' });
  });

  it('reads files', async () => {
    const { made } = client(() => Promise.resolve(new Response('bytes')));
    const file = await made.file('/v1/attachments/{attachmentId}', { path: { attachmentId: 'att' } });
    expect(await file.text()).toBe('bytes');
  });

  it('says what the server said of a refusal', async () => {
    const refused = () => Promise.resolve(Response.json({ code: 'rate-limited' }, { status: 429, headers: { 'Retry-After': '7' } }));
    const error = await caught(client(refused).made.ask('get', '/v1/calls/{callId}', { path: { callId: 'secret' } }));
    expect(error).toMatchObject({ trouble: 'busy', code: 'rate-limited', wait: 7000 });
    expect(error.message).not.toContain('secret');
    const strange = await caught(client(() => Promise.resolve(Response.json(null, { status: 500 }))).made.ask('get', '/v1/calls', {}));
    expect(strange).toMatchObject({ trouble: 'failed', code: '', wait: 0 });
  });

  it('can be stopped by who asks', async () => {
    const hanging = vi.fn(
      (_url: string, init: RequestInit) =>
        new Promise<Response>((_resolve, reject) => {
          init.signal?.addEventListener('abort', () => reject(new DOMException('stopped', 'AbortError')));
        }),
    );
    const made = new Client('https://chat.example', () => '', hanging as unknown as typeof fetch);
    const stop = new AbortController();
    const asking = caught(made.ask('get', '/v1/calls', {}, { signal: stop.signal }));
    stop.abort();
    expect((await asking).trouble).toBe('unreachable');
  });
});
