import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Refused } from '../src/core/client';
import { mostFiles } from '../src/core/thread/enclosures';
import type { Envelope } from '../src/core/thread/live';
import type { Thread } from '../src/core/thread/thread';
import { FakeServer, keep, threadOn } from './thread.fake';

const settle = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const numbers = (thread: Thread): number[] => thread.messages.map((m) => m.seq);
const texts = (thread: Thread): (string | undefined)[] => thread.messages.map((m) => m.text);
const gone = new Refused('asking', 'unreachable');

describe('Thread', () => {
  let server: FakeServer;

  beforeEach(() => {
    vi.useFakeTimers();
    server = new FakeServer();
  });
  afterEach(() => vi.useRealTimers());

  async function opened(options = {}, tab = keep(), local = keep()) {
    const made = threadOn(server, options, tab, local);
    made.thread.start();
    await settle();
    made.up();
    await settle();
    return made;
  }

  it('shows what is stored, and what is told after it', async () => {
    server.write('ann', 'one');
    const { thread, hear } = await opened();
    expect([thread.phase, thread.link, texts(thread)]).toEqual(['ready', 'live', ['one']]);
    server.write('ann', 'two');
    hear(server.log.at(-1));
    expect(texts(thread)).toEqual(['one', 'two']);
    expect(thread.nameOf('ann')).toBe('Ann');
    expect(thread.nameOf('stranger')).toBe('stranger');
  });

  it('shows nothing twice, whatever is told again', async () => {
    server.write('ann', 'one');
    const { thread, hear } = await opened();
    server.write('ann', 'two');
    hear(...server.log, ...server.log);
    await settle();
    expect(numbers(thread)).toEqual([1, 2]);
  });

  it('reads what was missed before it shows what came after it', async () => {
    const { thread, hear } = await opened();
    for (const text of ['one', 'two', 'three']) server.write('ann', text);
    server.change(1, { text: 'uno' });
    hear(server.log[2]);
    await settle();
    expect(texts(thread)).toEqual(['uno', 'two', 'three']);
    server.write('ann', 'four');
    hear(server.log.at(-1));
    expect(texts(thread)).toEqual(['uno', 'two', 'three', 'four']);
  });

  it('ends with what the server has after a break', async () => {
    server.write('ann', 'one');
    const { thread, up, down } = await opened();
    server.broken = gone;
    down();
    await settle();
    expect(thread.link).toBe('lost');
    for (let n = 2; n <= 130; n++) server.write('ann', String(n));
    server.change(1, { text: 'changed' });
    await server.remove(2).catch(() => undefined);
    server.broken = undefined;
    await server.remove(2);
    up();
    await settle();
    expect(thread.messages).toEqual(server.messages);
    expect(thread.link).toBe('live');
  });

  it('reads what happened by HTTP while there is no realtime connection', async () => {
    const { thread, down } = await opened();
    down();
    server.write('ann', 'one');
    await settle();
    down();
    await settle();
    expect(texts(thread)).toEqual(['one']);
  });

  it('reads everything anew when the server says so', async () => {
    server.write('ann', 'one');
    const { thread, hear, line } = await opened();
    server.messages.pop();
    server.write('ann', 'other');
    hear({ type: 'reset' });
    await settle();
    expect(texts(thread)).toEqual(['other']);
    expect(line.forgotten).toBe(1);
  });

  it('misses nothing that is told while it reads anew', async () => {
    const { thread, hear, line } = await opened();
    hear({ type: 'reset' });
    const page = server.page.bind(server);
    server.page = async (at) => {
      const read = await page(at);
      server.page = page;
      server.write('ann', 'meanwhile');
      hear(server.log.at(-1));
      return read;
    };
    await settle();
    expect(texts(thread)).toEqual(['meanwhile']);
    expect(line.starts).toBe(1);
  });

  it('does not let older news undo newer ones', async () => {
    server.write('me', 'first');
    const { thread, hear } = await opened();
    const [message] = thread.messages;
    if (!message) throw new Error('no message');
    await thread.edit(message, ' second ');
    hear({ ...server.log[0], cpos: 2, data: { seq: 1, message: { ...message } } } as never);
    expect(texts(thread)).toEqual(['second']);
    await thread.remove(message);
    expect(thread.messages[0]?.deleted_at).toBeTruthy();
  });

  describe('sending', () => {
    it('shows a message at once and says when it is stored, once', async () => {
      const { thread, hear } = await opened();
      thread.send({ text: ' hello ' });
      expect(thread.outgoing.map((m) => [m.text, m.state])).toEqual([['hello', 'sending']]);
      hear(server.log.at(-1));
      await settle();
      hear(server.log.at(-1));
      expect(thread.outgoing).toEqual([]);
      expect(texts(thread)).toEqual(['hello']);
    });

    it('shows no double while the event is faster than the answer', async () => {
      const { thread, hear } = await opened();
      server.deaf = true;
      thread.send({ text: 'hello' });
      await settle();
      expect(thread.outgoing.map((m) => m.state)).toEqual(['failed']);
      hear(server.log.at(-1));
      expect(thread.outgoing).toEqual([]);
      expect(texts(thread)).toEqual(['hello']);
    });

    it('stores one message however often it is sent', async () => {
      const { thread, up, down } = await opened();
      server.broken = gone;
      down();
      thread.send({ text: 'one' });
      thread.send({ text: 'two' });
      await settle();
      expect(thread.outgoing.map((m) => [m.text, m.state])).toEqual([
        ['one', 'failed'],
        ['two', 'failed'],
      ]);
      server.broken = undefined;
      server.deaf = true;
      const [first] = thread.outgoing;
      thread.retry(first?.key ?? '');
      await settle();
      server.deaf = false;
      up();
      await settle();
      expect(server.messages.map((m) => m.text)).toEqual(['one', 'two']);
      expect(texts(thread)).toEqual(['one', 'two']);
      expect(thread.outgoing).toEqual([]);
    });

    it('finds out by itself that the server is back', async () => {
      const { thread } = await opened();
      server.broken = gone;
      thread.send({ text: 'one' });
      thread.send({ text: 'two' });
      await settle(2900);
      const before = server.asked;
      await settle(30_000);
      expect(server.asked - before).toBeLessThan(5);
      expect(thread.outgoing.map((m) => m.state)).toEqual(['failed', 'failed']);
      server.broken = undefined;
      await settle(30_000);
      expect(texts(thread)).toEqual(['one', 'two']);
      expect(thread.outgoing).toEqual([]);
    });

    it('waits as long as a busy server says', async () => {
      const { thread } = await opened();
      server.broken = new Refused('sending', 'busy', { wait: 5000 });
      thread.send({ text: 'one' });
      await settle(4900);
      expect(server.messages).toHaveLength(0);
      server.broken = undefined;
      await settle(200);
      expect(texts(thread)).toEqual(['one']);
    });

    it('keeps what was refused until it is discarded', async () => {
      const { thread, up } = await opened();
      server.broken = new Refused('sending', 'failed', { code: 'conversation-closed' });
      thread.send({ text: 'one' });
      await settle();
      server.broken = undefined;
      up();
      await settle();
      expect(thread.outgoing.map((m) => [m.state, m.code])).toEqual([['failed', 'conversation-closed']]);
      thread.discard(thread.outgoing[0]?.key ?? '');
      expect(thread.outgoing).toEqual([]);
      expect(server.messages).toEqual([]);
    });

    it('goes on after a reload, without a double', async () => {
      const tab = keep();
      const first = await opened({}, tab);
      server.deaf = true;
      first.thread.send({ text: 'stored but not known' });
      await settle();
      server.broken = gone;
      first.thread.send({ text: 'not stored' });
      await settle();
      first.thread.stop();
      server.broken = undefined;
      server.deaf = false;
      const second = await opened({}, tab);
      expect(texts(second.thread)).toEqual(['stored but not known', 'not stored']);
      expect(second.thread.outgoing).toEqual([]);
      expect(server.messages).toHaveLength(2);
    });
  });

  describe('what is unread', () => {
    beforeEach(() => {
      for (let n = 1; n <= 5; n++) server.write(n === 4 ? 'me' : 'ann', String(n));
      server.readAt = 2;
    });

    it('begins at a line, and is read when it is seen', async () => {
      const { thread } = await opened();
      expect([thread.unread, thread.line]).toEqual([2, 3]);
      thread.seen(3);
      expect([thread.unread, thread.line]).toEqual([1, 3]);
      thread.seen(5);
      expect(thread.unread).toBe(0);
      await settle(3000);
      expect(server.marked.at(-1)).toEqual({ delivered_seq: 5, read_seq: 5 });
      expect(server.marked.length).toBeLessThanOrEqual(2);
    });

    it('gets a new line when something comes while nobody looks', async () => {
      const { thread, hear } = await opened();
      thread.seen(5);
      thread.attend(true);
      server.write('ann', '6');
      hear(server.log.at(-1));
      expect(thread.line).toBe(3);
      thread.seen(6);
      thread.attend(false);
      server.write('me', '7');
      server.write('ann', '8');
      server.write('ann', '9');
      hear(...server.log.slice(-3));
      expect([thread.line, thread.unread]).toEqual([8, 2]);
      thread.send({ text: 'answer' });
      expect(thread.line).toBe(0);
    });

    it('tells that what came was delivered, and again after a break', async () => {
      const { hear } = await opened();
      await settle(1100);
      server.marked.length = 0;
      server.broken = gone;
      server.write('ann', '6');
      hear(server.log.at(-1));
      await settle(1100);
      server.broken = undefined;
      server.write('ann', '7');
      hear(server.log.at(-1));
      await settle(1100);
      expect(server.marked).toEqual([{ delivered_seq: 7, read_seq: 2 }]);
    });
  });

  describe('long conversations', () => {
    beforeEach(() => {
      for (let n = 1; n <= 300; n++) server.write('ann', String(n));
    });

    it('come in pages, from where one left off', async () => {
      server.readAt = 100;
      const { thread, hear } = await opened();
      expect(numbers(thread)).toContain(101);
      expect([thread.older, thread.newer, thread.unread, thread.line]).toEqual([true, true, 200, 101]);
      server.write('ann', '301');
      hear(server.log.at(-1));
      expect(thread.unread).toBe(201);
      await thread.fetchNewer();
      await thread.fetchOlder();
      const shown = numbers(thread);
      expect(shown).toEqual(Array.from(shown, (_, at) => (shown[0] ?? 0) + at));
      await thread.toNewest();
      expect([numbers(thread).at(-1), thread.newer]).toEqual([301, false]);
    });

    it('jump to a message without saying that what is between was read', async () => {
      server.readAt = 10;
      const { thread } = await opened();
      expect(await thread.show(200)).toBe(true);
      thread.seen(200);
      await settle(2000);
      expect(server.marked.at(-1)?.read_seq).toBe(10);
      expect(await thread.show(1000)).toBe(false);
    });
  });

  it('tells how far own messages got', async () => {
    server.write('me', 'hello');
    const { thread, hear } = await opened();
    const message = thread.messages[0];
    if (!message) throw new Error('no message');
    expect(thread.progress(message)).toEqual({ recipients: 1, delivered: 0, read: 0 });
    hear({ type: 'receipt.updated', conv: 'conv', actor: 'ann', data: { delivered_seq: 1, read_seq: 0 } });
    expect(thread.progress(message)).toEqual({ recipients: 1, delivered: 1, read: 0 });
    hear({ type: 'receipt.updated', conv: 'conv', actor: 'ann', data: { delivered_seq: 1, read_seq: 1 } });
    expect(thread.progress(message)).toEqual({ recipients: 1, delivered: 1, read: 1 });
  });

  it('learns marks that were told during a break, and those that one set elsewhere', async () => {
    server.write('me', 'hello');
    server.write('ann', 'hi');
    const { thread, hear, up, down } = await opened();
    down();
    Object.assign(server.people[1] ?? {}, { delivered_seq: 2, read_seq: 2 });
    up();
    await settle(500);
    const message = thread.messages[0];
    expect(message && thread.progress(message).read).toBe(1);
    expect(thread.unread).toBe(1);
    hear({ type: 'receipt.updated', conv: 'conv', actor: 'me', data: { delivered_seq: 2, read_seq: 2 } });
    expect(thread.unread).toBe(0);
  });

  it('tells who writes, and says so itself now and then', async () => {
    const { thread, hear } = await opened();
    const typing = (on: boolean, actor = 'ann') => hear({ type: 'typing', conv: 'conv', actor, data: { on } });
    typing(true);
    typing(true, 'me');
    expect(thread.typing.people).toEqual(['ann']);
    await settle(6100);
    expect(thread.typing.people).toEqual([]);
    typing(true);
    server.write('ann', 'done');
    hear(server.log.at(-1));
    expect(thread.typing.people).toEqual([]);
    for (let n = 0; n < 5; n++) thread.typing.typed();
    thread.send({ text: 'x' });
    await settle();
    expect(server.typed).toEqual([true, false]);
  });

  it('is over for who is taken out, and where it is deleted', async () => {
    const { thread, hear, line } = await opened();
    hear(server.note('participant.removed', { principal: 'me' }));
    expect([thread.phase, thread.trouble, line.stopped]).toEqual(['refused', 'gone', true]);
    const other = await opened();
    other.hear(server.note('conversation.deleted', {}));
    expect(other.thread.phase).toBe('refused');
  });

  it('waits for the server at the start, and for a place that may still come', async () => {
    server.broken = gone;
    const { thread } = await opened();
    expect([thread.phase, thread.trouble]).toEqual(['loading', 'unreachable']);
    server.broken = undefined;
    await settle(2000);
    expect(thread.phase).toBe('ready');

    server.broken = new Refused('reading', 'gone');
    expect((await opened()).thread.phase).toBe('refused');
    server.broken = undefined;
    server.absent = true;
    const entering = await opened({ patience: 10_000 });
    expect(entering.thread.phase).toBe('loading');
    server.absent = false;
    await settle(2000);
    expect(entering.thread.phase).toBe('ready');
    server.absent = true;
    const stranger = await opened({ patience: 10_000 });
    await settle(12_000);
    expect([stranger.thread.phase, stranger.thread.trouble]).toEqual(['refused', 'gone']);
  });

  it('asks for the place of an audience by reading the conversation', async () => {
    server.absent = server.opens = true;
    const { thread } = await opened({ asks: true, patience: 10_000 });
    expect([thread.phase, server.absent]).toEqual(['ready', false]);
  });

  it('tells what happens of calls: what the log has, what comes, and what rings elsewhere', async () => {
    const ringing = server.note('call.ringing', { call_id: 'c1' });
    const heard: (string | undefined)[] = [];
    const calls = ({ type, conv, data }: Envelope): void => void heard.push(`${type} ${conv} ${(data as { call_id: string }).call_id}`);
    await opened({ calls });
    expect(heard).toEqual([]); // the call is over: the conversation has none
    server.call = 'c1';
    const { hear } = await opened({ calls });
    expect(heard.splice(0)).toEqual(['call.ringing conv c1']);
    server.write('ann', 'one');
    server.note('call.accepted', { call_id: 'c1' });
    hear(server.log.at(-1), ringing, { type: 'call.ringing', conv: 'c2', cpos: 1, data: { call_id: 'c2' } }, { type: 'message.created', conv: 'c2', cpos: 2 });
    await settle();
    expect(heard.splice(0).sort()).toEqual(['call.accepted conv c1', 'call.ringing c2 c2']);
    hear({ type: 'call.ringing', conv: 'conv', data: { call_id: 'c3' } }); // of the moment: it rang before the connection was there
    await settle();
    expect(heard).toEqual(['call.ringing conv c3']);
  });

  it('keeps what goes along with a message until it is sent, or the thread is closed', async () => {
    const { thread } = await opened();
    const cancelled: string[] = [];
    const upload = { id: 'u1', conversation_id: 'conv', size: 1, offset: 1, expires_at: '' };
    Object.assign(server, {
      beginUpload: () => Promise.resolve(upload),
      appendUpload: () => Promise.resolve(upload),
      finishUpload: () => Promise.resolve({ id: 'u1' }),
      cancelUpload: (id: string) => Promise.resolve(void cancelled.push(id)),
    });
    const { enclosures } = thread;
    const files = Array.from({ length: mostFiles + 1 }, (_, n) => new File(['x'], `${n}.txt`));
    expect(enclosures.attach(files)).toBe(false);
    expect([enclosures.uploads.length, enclosures.ready]).toEqual([mostFiles, false]);
    await settle();
    expect([enclosures.ready, enclosures.files.length]).toEqual([true, mostFiles]);
    for (const sent of enclosures.uploads.slice(1)) enclosures.detach(sent);
    enclosures.setPlace({ lat: 1, lon: 2 });
    expect([enclosures.files.length, enclosures.place]).toEqual([1, { lat: 1, lon: 2 }]);
    enclosures.clear();
    expect([enclosures.uploads, enclosures.place]).toEqual([[], undefined]);
    server.finishUpload = () => new Promise(() => undefined);
    expect(enclosures.attach(files.slice(0, 1))).toBe(true);
    await settle();
    thread.stop();
    expect(cancelled).toEqual(['u1']);
  });

  it('does nothing more when it is stopped', async () => {
    const { thread, line } = await opened();
    thread.stop();
    const before = server.asked;
    server.broken = gone;
    await settle(60_000);
    expect([server.asked, line.stopped]).toEqual([before, true]);
  });
});
