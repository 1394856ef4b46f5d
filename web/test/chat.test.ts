import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ChatTransport } from '../src/core/chat';
import { ChatLog, longestMessage } from '../src/core/chat';

const timing = { attempt: 15_000, unsure: 4_000, settle: 2_500 };

/** A connection that records what was sent and, when told so, fails or never answers. */
class Wire implements ChatTransport {
  readonly sent: { id: string; text: string }[] = [];
  mode: 'works' | 'fails' | 'hangs' = 'works';

  async send(id: string, text: string): Promise<void> {
    if (this.mode === 'fails') throw new Error('broken');
    this.sent.push({ id, text });
    if (this.mode === 'hangs') await new Promise(() => undefined);
  }
}

const states = (log: ChatLog): string[] => log.messages.map((m) => m.state);
const texts = (wire: Wire): string[] => wire.sent.map((m) => m.text);
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe('ChatLog', () => {
  let log: ChatLog;
  let wire: Wire;

  beforeEach(() => {
    vi.useFakeTimers();
    log = new ChatLog(timing);
    wire = new Wire();
  });
  afterEach(() => vi.useRealTimers());

  it('sends at once when connected', async () => {
    log.connected(wire);
    log.send('me', 'Me', '  hello \n');
    expect(states(log)).toEqual(['pending']);
    await settle();
    expect(states(log)).toEqual(['sent']);
    expect(texts(wire)).toEqual(['hello']);
  });

  it('keeps what is written without a connection and sends it later, in order', async () => {
    log.send('me', 'Me', 'one');
    log.send('me', 'Me', 'two');
    await settle();
    expect(states(log)).toEqual(['pending', 'pending']);
    log.connected(wire);
    await settle();
    expect(texts(wire)).toEqual(['one', 'two']);
    expect(states(log)).toEqual(['sent', 'sent']);
  });

  it('ignores empty and over-long messages', () => {
    log.connected(wire);
    log.send('me', 'Me', ' \n ');
    log.send('me', 'Me', 'x'.repeat(longestMessage + 1));
    expect(log.messages).toHaveLength(0);
    log.send('me', 'Me', '\u{1f600}'.repeat(longestMessage));
    expect(log.messages).toHaveLength(1);
  });

  it('marks a failure and retries under the same id', async () => {
    wire.mode = 'fails';
    log.connected(wire);
    log.send('me', 'Me', 'hello');
    await settle();
    expect(states(log)).toEqual(['failed']);
    wire.mode = 'works';
    const id = log.messages[0]?.id ?? '';
    log.retry(id);
    await settle();
    expect(states(log)).toEqual(['sent']);
    expect(wire.sent).toEqual([{ id, text: 'hello' }]);
    log.retry(id);
    await settle();
    expect(wire.sent).toHaveLength(1);
  });

  it('gives up an attempt that gets no answer in time', async () => {
    wire.mode = 'hangs';
    log.connected(wire);
    log.send('me', 'Me', 'hello');
    await vi.advanceTimersByTimeAsync(timing.attempt - 1);
    expect(states(log)).toEqual(['pending']);
    await vi.advanceTimersByTimeAsync(1);
    expect(states(log)).toEqual(['failed']);
  });

  it('holds messages during a break and sends nothing twice after a resume', async () => {
    log.connected(wire);
    log.send('me', 'Me', 'before');
    await settle();
    log.interrupted();
    log.send('me', 'Me', 'during');
    await settle();
    expect(texts(wire)).toEqual(['before']);
    log.connected(wire);
    await settle();
    expect(texts(wire)).toEqual(['before', 'during']);
  });

  it('repeats after a full reconnect what may be lost, under its id and once the connection has settled', async () => {
    log.connected(wire);
    log.send('me', 'Me', 'long ago');
    await settle();
    await vi.advanceTimersByTimeAsync(timing.unsure + 1);
    log.send('me', 'Me', 'just before');
    await settle();
    log.interrupted();
    const after = new Wire();
    log.restored(after, Date.now());
    log.send('me', 'Me', 'too early');
    await vi.advanceTimersByTimeAsync(timing.settle - 1);
    expect(after.sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(texts(after)).toEqual(['just before', 'too early']);
    expect(after.sent[0]?.id).toBe(wire.sent[1]?.id);
    expect(states(log)).toEqual(['sent', 'sent', 'sent']);
  });

  it('repeats an attempt that a break left open', async () => {
    let finish = (): void => undefined;
    const slow: ChatTransport = { send: () => new Promise((resolve) => (finish = resolve)) };
    log.connected(slow);
    log.send('me', 'Me', 'hello');
    log.interrupted();
    log.connected(wire);
    expect(wire.sent).toEqual([]);
    finish();
    await settle();
    expect(texts(wire)).toEqual(['hello']);
    expect(states(log)).toEqual(['sent']);
  });

  it('shows a repeated message once', () => {
    const message = { id: 'a', identity: 'you', name: 'You', text: 'hi', at: new Date() };
    log.receive(message);
    log.receive(message);
    expect(log.messages).toHaveLength(1);
    expect(log.unread).toBe(1);
  });

  it('counts as unread only what nobody looks at', () => {
    const message = (id: string) => ({ id, identity: 'you', name: 'You', text: 'hi', at: new Date() });
    log.receive(message('a'));
    log.receive(message('b'));
    expect(log.unread).toBe(2);
    log.attend(true);
    expect(log.unread).toBe(0);
    log.receive(message('c'));
    expect(log.unread).toBe(0);
    log.attend(false);
    log.receive(message('d'));
    expect(log.unread).toBe(1);
  });

  it('fails what still waits when the call ends', () => {
    log.send('me', 'Me', 'never sent');
    log.ended();
    expect(states(log)).toEqual(['failed']);
  });

  it('keeps a bounded number of messages', () => {
    for (let i = 0; i < 1005; i++) log.receive({ id: String(i), identity: 'you', name: 'You', text: 'hi', at: new Date() });
    expect(log.messages).toHaveLength(1000);
    expect(log.messages[0]?.id).toBe('5');
  });

  it('tells its watchers once per turn, and no more after they stopped', async () => {
    const watcher = vi.fn();
    const stop = log.watch(watcher);
    log.send('me', 'Me', 'one');
    log.send('me', 'Me', 'two');
    await settle();
    expect(watcher).toHaveBeenCalledTimes(1);
    stop();
    log.send('me', 'Me', 'three');
    await settle();
    expect(watcher).toHaveBeenCalledTimes(1);
  });
});
