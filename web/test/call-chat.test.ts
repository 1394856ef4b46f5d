import type { Room } from 'livekit-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CallChat } from '../src/core/call-chat';
import type { Opening } from '../src/core/thread/open';
import { FakeServer, threadOn } from './thread.fake';

const claims = { sub: 'me', scope: { conversation: 'conv' }, permissions: ['chat:read'] };
const token = (more: object = {}): string => `x.${btoa(JSON.stringify({ ...claims, ...more }))}.x`;
const joined = (text = token()) => ({ serverUrl: 'http://call.example', token: text, newest: () => text });
const room = (role: string): Room =>
  ({ localParticipant: { attributes: { 'careline.role': role }, streamText: () => Promise.reject(new Error('not needed')) } }) as unknown as Room;

describe('CallChat', () => {
  let server: FakeServer;
  let openings: Opening[];
  let chat: CallChat;

  beforeEach(() => {
    vi.useFakeTimers();
    server = new FakeServer();
    openings = [];
    chat = new CallChat(
      () => undefined,
      (opening) => {
        openings.push(opening);
        return threadOn(server, { asks: opening.asks, patience: opening.patience }).thread;
      },
    );
  });
  afterEach(() => {
    chat.end();
    vi.useRealTimers();
  });
  const hear = (text: string): void => chat.log.receive({ id: text, identity: 'ann', name: 'Ann', text, at: new Date() });

  it('opens the conversation of who is in the call, and waits for the place in it', async () => {
    chat.enter(room('guest'), joined());
    chat.show();
    await vi.advanceTimersByTimeAsync(0);
    expect(openings.map(({ server, conversation, identity, asks }) => [server, conversation, identity, asks])).toEqual([['http://call.example', 'conv', 'me', false]]);
    expect([chat.kept?.phase, chat.earlier]).toEqual(['ready', []]);
  });

  it('opens that of an audience once it looks, and keeps above it what guests heard before', async () => {
    server.absent = server.opens = true;
    server.guest = true;
    chat.enter(room('viewer'), joined());
    hear('before');
    hear('just now');
    expect([openings.length, chat.unread, chat.newestWriter]).toEqual([0, 2, 'Ann']);
    server.write('ann', 'just now');
    chat.show();
    expect(chat.earlier).toEqual([]);
    await vi.advanceTimersByTimeAsync(0);
    hear('later');
    expect([openings[0]?.asks, chat.kept?.phase, chat.earlier.map((m) => m.text)]).toEqual([true, 'ready', ['before']]);
    chat.show();
    expect(openings.length).toBe(1);
  });

  it('shows members of an audience the thread as it is', async () => {
    server.absent = server.opens = true;
    chat.enter(room('viewer'), joined());
    hear('before');
    chat.show();
    await vi.advanceTimersByTimeAsync(0);
    expect([chat.kept?.phase, chat.earlier]).toEqual(['ready', []]);
  });

  it.each([
    ['for the room alone', { scope: undefined }],
    ['without the right to read', { permissions: [] }],
  ])('writes as in a room that keeps nothing with a token %s', (_what, more) => {
    chat.enter(room('guest'), joined(token(more)));
    chat.show();
    expect([openings.length, chat.kept]).toEqual([0, undefined]);
  });

  it('writes so too where it is given no place', async () => {
    server.absent = true;
    chat.enter(room('viewer'), joined());
    hear('before');
    chat.show();
    expect(chat.kept?.phase).toBe('loading');
    await vi.advanceTimersByTimeAsync(30_000);
    expect([chat.thread?.phase, chat.kept, chat.unread]).toEqual(['refused', undefined, 1]);
  });
});
