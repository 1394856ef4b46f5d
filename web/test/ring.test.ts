import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Refused } from '../src/core/client';
import type { Begun, RingServer, Way } from '../src/core/ring/api';
import { Calling } from '../src/core/ring/calling';
import { Ringing } from '../src/core/ring/ringing';
import type { Envelope } from '../src/core/thread/live';

const at = '2026-11-21T08:00:00Z';
const until = '2026-11-21T08:00:45Z';
const way = (call: string): Way => ({ call, token: `token of ${call}` });
const event = (type: string, data: object, call = 'c1'): Envelope => ({ type: `call.${type}`, conv: 'conv', at, data: { call_id: call, ...data } });
const rings = (call = 'c1', people = ['me']): Envelope => event('ringing', { caller: 'ann', people, until }, call);
const who = (type: string, ...identities: string[]): Envelope => event(type, { caller: 'ann', people: [...identities, 'ann'], who: identities });

/** What the server answers, each when the test says so. */
class FakeServer implements RingServer {
  readonly asked: string[] = [];
  begun: Begun = { way: way('c1'), caller: 'me', rings: 45_000 };
  refusal: Refused | undefined;
  hold: Promise<void> = Promise.resolve();

  private async reach(what: string): Promise<void> {
    this.asked.push(what);
    await this.hold;
    if (this.refusal) throw this.refusal;
  }
  async accept(call: string, key: string): Promise<Way> {
    await this.reach(`accept ${call} ${key}`);
    return way(call);
  }
  decline(call: string): Promise<void> {
    return this.reach(`decline ${call}`);
  }
  async begin(conversation: string, ring: boolean): Promise<Begun> {
    await this.reach(`begin ${conversation} ${ring}`);
    return this.begun;
  }
  cancel({ call }: Way): Promise<void> {
    return this.reach(`cancel ${call}`);
  }
}

let server: FakeServer;
let entered: string[];
const enter = ({ call }: Way): void => void entered.push(call);

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  entered = [];
});
afterEach(() => vi.useRealTimers());

describe('Ringing', () => {
  let keys = 0;
  const made = (mayAnswer = true) => new Ringing({ api: server, identity: 'me', mayAnswer: () => mayAnswer, newKey: () => `key${++keys}`, enter });
  const calls = (ringing: Ringing): string[] => ringing.rings.map((r) => `${r.call} ${r.state}`);

  beforeEach(() => (keys = 0));

  it('rings for whom a call rings, once, whatever is told again', () => {
    const ringing = made();
    ringing.hear(rings('c1'));
    ringing.hear(rings('c1'));
    ringing.hear(rings('c2', ['bo']));
    ringing.hear(rings('c3'));
    ringing.hear({ type: 'message.created', data: { call_id: 'c4', people: ['me'] } });
    ringing.hear({ type: 'call.ringing', data: { people: ['me'] } });
    expect(calls(ringing)).toEqual(['c1 ringing', 'c3 ringing']);
    expect(ringing.rings[0]?.caller).toBe('ann');
    ringing.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not ring for who may not answer', () => {
    const ringing = made(false);
    ringing.hear(rings());
    expect(calls(ringing)).toEqual([]);
  });

  it.each([
    ['accepted', who('accepted', 'me')],
    ['declined', who('declined', 'me')],
    ['cancelled', who('cancelled', 'me', 'bo')],
    ['missed', who('missed', 'me')],
    ['cancelled', event('ended', { reason: 'ended' })],
  ] as const)('stops when it hears that it was %s', (how, news) => {
    const ringing = made();
    ringing.hear(rings());
    ringing.hear(who('accepted', 'bo'));
    ringing.hear(who('missed', 'bo'));
    expect(calls(ringing)).toEqual(['c1 ringing']);
    ringing.hear(news);
    expect([ringing.rings, ringing.past]).toEqual([[], { how, caller: 'ann' }]);
    ringing.hear(rings());
    expect(ringing.rings).toEqual([]);
    ringing.dismiss();
    expect(ringing.past).toBeUndefined();
  });

  it('stops by itself, a moment after the time, where the server cannot be heard', async () => {
    const ringing = made();
    ringing.hear(rings());
    await vi.advanceTimersByTimeAsync(45_000);
    expect(calls(ringing)).toEqual(['c1 ringing']);
    await vi.advanceTimersByTimeAsync(5000);
    expect([ringing.rings, ringing.past?.how]).toEqual([[], 'missed']);
  });

  it('goes into a call that was accepted here, and says nothing of another device', async () => {
    const ringing = made();
    ringing.hear(rings());
    let release = (): void => undefined;
    server.hold = new Promise((resolve) => (release = resolve));
    const accepting = ringing.accept('c1');
    void ringing.accept('c1');
    void ringing.decline('c1');
    ringing.hear(who('accepted', 'me'));
    expect(calls(ringing)).toEqual(['c1 accepting']);
    release();
    await accepting;
    ringing.hear(who('accepted', 'me'));
    expect([entered, ringing.rings, ringing.past, server.asked]).toEqual([['c1'], [], undefined, ['accept c1 key1']]);
  });

  it('declines', async () => {
    const ringing = made();
    ringing.hear(rings());
    await ringing.decline('c1');
    ringing.hear(who('declined', 'me'));
    expect([entered, ringing.rings, ringing.past, server.asked]).toEqual([[], [], undefined, ['decline c1']]);
  });

  it.each([
    [new Refused('accepting', 'failed', { code: 'already-taken' }), 'accepted'],
    [new Refused('accepting', 'failed', { code: 'not-ringing' }), 'late'],
    [new Refused('accepting', 'gone'), 'late'],
  ] as const)('says that somebody else was faster: %s', async (refusal, how) => {
    const ringing = made();
    ringing.hear(rings());
    server.refusal = refusal;
    await ringing.accept('c1');
    expect([ringing.rings, ringing.past, entered]).toEqual([[], { how, caller: 'ann' }, []]);
  });

  it('asks again with the same key when the answer did not come', async () => {
    const ringing = made();
    ringing.hear(rings());
    server.refusal = new Refused('accepting', 'unreachable');
    await ringing.accept('c1');
    expect([calls(ringing), ringing.past]).toEqual([['c1 ringing'], { how: 'failed', caller: 'ann', trouble: 'unreachable' }]);
    server.refusal = undefined;
    await ringing.accept('c1');
    expect([entered, server.asked, ringing.past]).toEqual([['c1'], ['accept c1 key1', 'accept c1 key1'], undefined]);
  });
});

describe('Calling', () => {
  const made = () => new Calling({ api: server, conversation: 'conv', identity: 'me', enter });
  const ended = (reason: string): Envelope => event('ended', { reason });

  it('waits until somebody accepts, and goes in', async () => {
    const calling = made();
    await calling.begin(true);
    void calling.begin(true);
    expect([calling.state, entered, server.asked]).toEqual(['ringing', [], ['begin conv true']]);
    calling.hear(event('accepted', { who: ['ann'] }, 'another'));
    calling.hear(who('declined', 'bo'));
    expect([calling.state, calling.declined]).toEqual(['ringing', ['bo']]);
    calling.hear(who('accepted', 'ann'));
    calling.hear(who('accepted', 'eve'));
    expect([calling.state, entered, calling.past]).toEqual(['idle', ['c1'], undefined]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['declined', 'declined'],
    ['missed', 'missed'],
    ['cancelled', undefined],
  ] as const)('says what became of it: %s', async (reason, past) => {
    const calling = made();
    await calling.begin(true);
    calling.hear(ended(reason));
    expect([calling.state, calling.past, entered]).toEqual(['idle', past, []]);
  });

  it('hears an answer that comes before its own', async () => {
    const calling = made();
    let release = (): void => undefined;
    server.hold = new Promise((resolve) => (release = resolve));
    const beginning = calling.begin(true);
    calling.hear(who('accepted', 'ann'));
    expect(calling.state).toBe('asking');
    release();
    await beginning;
    expect([calling.state, entered]).toEqual(['idle', ['c1']]);
  });

  it.each([
    ['somebody else calls', { way: way('c2'), caller: 'ann', rings: 45_000 }],
    ['it does not ring any more', { way: way('c2'), caller: 'me', rings: 0 }],
  ])('goes into the call that there is: %s', async (_what, begun) => {
    const calling = made();
    server.begun = begun;
    await calling.begin(false);
    expect([calling.state, entered, server.asked]).toEqual(['idle', ['c2'], ['begin conv false']]);
  });

  it('is taken back', async () => {
    const calling = made();
    await calling.begin(true);
    await calling.cancel();
    calling.hear(ended('cancelled'));
    expect([calling.state, calling.past, server.asked.at(-1)]).toEqual(['idle', undefined, 'cancel c1']);
    await calling.begin(true);
    expect(calling.state).toBe('ringing');
  });

  it('says when it cannot be begun or taken back', async () => {
    const calling = made();
    server.refusal = new Refused('beginning', 'forbidden');
    await calling.begin(true);
    expect([calling.state, calling.past, calling.trouble]).toEqual(['idle', 'failed', 'forbidden']);
    server.refusal = undefined;
    await calling.begin(true);
    expect(calling.past).toBeUndefined();
    server.refusal = new Refused('cancelling', 'unreachable');
    await calling.cancel();
    expect([calling.state, calling.past, calling.trouble]).toEqual(['ringing', 'failed', 'unreachable']);
    calling.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends by itself, a moment after the time, where the server cannot be heard', async () => {
    const calling = made();
    await calling.begin(true);
    await vi.advanceTimersByTimeAsync(50_000);
    expect([calling.state, calling.past]).toEqual(['idle', 'missed']);
  });
});
