import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Refused } from '../src/core/client';
import type { Envelope, Socket } from '../src/core/thread/live';
import { Live } from '../src/core/thread/live';

class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: unknown[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }
  say(envelope: unknown): void {
    this.onmessage?.({ data: JSON.stringify(envelope) });
  }
}

describe('Live', () => {
  const timing = { first: 500, most: 8000, silence: 50_000, opening: 10_000 };
  let sockets: FakeSocket[];
  let refusal: Refused | undefined;
  let heard: string[];
  let live: Live;

  const settle = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
  const newest = (): FakeSocket => {
    const socket = sockets.at(-1);
    if (!socket) throw new Error('no connection was tried');
    return socket;
  };
  const open = async (): Promise<void> => {
    await settle();
    newest().onopen?.();
    newest().say({ v: 1, type: 'hello' });
  };

  beforeEach(() => {
    vi.useFakeTimers();
    [sockets, heard, refusal] = [[], [], undefined];
    live = new Live(
      () => {
        if (refusal) return Promise.reject(refusal);
        sockets.push(new FakeSocket());
        return Promise.resolve(newest());
      },
      {
        hear: (e: Envelope) => heard.push(e.type),
        up: () => heard.push('up'),
        down: (trouble) => heard.push(`down: ${trouble}`),
      },
      timing,
      () => 1,
    );
    live.start();
  });
  afterEach(() => vi.useRealTimers());

  it('says hello and hears', async () => {
    await open();
    newest().say({ type: 'message.created', cursor: 'u:7' });
    newest().say({ type: 'typing' });
    expect(newest().sent).toEqual([{ type: 'hello' }]);
    expect(heard).toEqual(['up', 'message.created', 'typing']);
  });

  it('goes on where it was after a break, later each time', async () => {
    await open();
    newest().say({ type: 'message.created', cursor: 'u:7' });
    newest().say({ type: 'typing' });
    newest().onclose?.();
    expect(heard.at(-1)).toBe('down: unreachable');
    await settle(499);
    expect(sockets).toHaveLength(1);
    await settle(1);
    await open();
    expect(newest().sent).toEqual([{ type: 'hello', resume: 'u:7' }]);
    refusal = new Refused('opening', 'busy');
    newest().onclose?.();
    await settle(500);
    expect(heard.at(-1)).toBe('down: busy');
    refusal = undefined;
    await settle(999);
    expect(sockets).toHaveLength(2);
    await settle(1);
    expect(sockets).toHaveLength(3);
  });

  it('stays away as long as the server asks', async () => {
    await open();
    newest().say({ type: 'bye', data: { retry_in: 9000 } });
    newest().onclose?.();
    live.hurry();
    await settle(8900);
    expect(sockets).toHaveLength(1);
    await settle(200);
    expect(sockets).toHaveLength(2);
  });

  it('takes a silent connection for dead, and one that never comes up', async () => {
    await open();
    await settle(40_000);
    newest().say({ type: 'ping' });
    expect(newest().sent.at(-1)).toEqual({ type: 'pong' });
    await settle(49_000);
    expect(newest().closed).toBe(false);
    await settle(1000);
    expect(newest().closed).toBe(true);
    await settle(500);
    expect(sockets).toHaveLength(2);
    await settle(10_000);
    expect(newest().closed || sockets.length > 2).toBe(true);
  });

  it('tries at once when there is reason to hope', async () => {
    await open();
    newest().onclose?.();
    live.hurry();
    await settle();
    expect(sockets).toHaveLength(2);
    live.hurry();
    await settle();
    expect(sockets).toHaveLength(2);
  });

  it('does not hear an old connection, or what is no envelope', async () => {
    await open();
    const old = newest();
    old.onclose?.();
    old.say({ type: 'late' });
    await settle(500);
    await open();
    newest().onmessage?.({ data: 'not json' });
    newest().onmessage?.({ data: new ArrayBuffer(2) });
    newest().say(null);
    newest().say({ type: 5 });
    expect(heard).toEqual(['up', 'down: unreachable', 'up']);
  });

  it('ends for good', async () => {
    await open();
    live.stop();
    newest().onclose?.();
    await settle(60_000);
    expect([sockets.length, newest().closed, heard]).toEqual([1, true, ['up']]);
  });

  it('begins anew when it is told to forget', async () => {
    await open();
    newest().say({ type: 'reset', cursor: 'u:9' });
    live.forget();
    newest().onclose?.();
    await settle(500);
    await open();
    expect(newest().sent).toEqual([{ type: 'hello' }]);
  });
});
