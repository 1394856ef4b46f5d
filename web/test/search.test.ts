import { describe, expect, it, vi } from 'vitest';
import { Refused } from '../src/core/client';
import type { Found, Message } from '../src/core/thread/api';
import { ThreadSearch } from '../src/core/thread/search';

const hit = (seq: number): Message => ({ seq }) as Message;
const page = (numbers: number[], cursor?: string): Found => ({ messages: numbers.map(hit), partial: false, cursor });

describe('ThreadSearch', () => {
  it('finds page by page', async () => {
    const ask = vi.fn((_query: string, cursor?: string) => Promise.resolve(cursor ? page([1]) : page([3, 2], 'next')));
    const search = new ThreadSearch({ search: ask });
    await search.ask('  passport ');
    expect([search.found?.map((m) => m.seq), search.more]).toEqual([[3, 2], true]);
    await search.next();
    expect([search.found?.map((m) => m.seq), search.more]).toEqual([[3, 2, 1], false]);
    expect(ask.mock.calls).toEqual([
      ['passport', undefined],
      ['passport', 'next'],
    ]);
    await search.ask(' ');
    expect([search.found, search.busy]).toEqual([undefined, false]);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('takes the answer to the newest question only', async () => {
    const answers: ((found: Found) => void)[] = [];
    const search = new ThreadSearch({ search: () => new Promise((resolve) => answers.push(resolve)) });
    const [old, current] = [search.ask('one'), search.ask('two')];
    answers[1]?.(page([2]));
    await current;
    answers[0]?.(page([1]));
    await old;
    expect(search.found?.map((m) => m.seq)).toEqual([2]);
  });

  it('says what went wrong', async () => {
    const search = new ThreadSearch({ search: () => Promise.reject(new Refused('searching', 'unreachable')) });
    await search.ask('one');
    expect([search.trouble, search.busy, search.found]).toEqual(['unreachable', false, undefined]);
  });
});
