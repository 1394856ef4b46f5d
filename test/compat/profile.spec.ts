import type { Client } from './client.ts';
import { expect, test } from './client.ts';

/** Calls a method of the local participant; returns the error's message, empty without one. */
function me(client: Client, call: string, ...args: unknown[]): Promise<string> {
  return client.page.evaluate(
    async ([call, args]) => {
      try {
        await window.compat.room.localParticipant[call](...args);
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    },
    [call, args] as const,
  );
}

interface Profile {
  name: string;
  metadata: string;
  attributes: Record<string, string>;
}

test('check 41: people change what others read of them', async ({ join }) => {
  const ann = await join('ann', { room: 'profile', video: { canUpdateOwnMetadata: true } });
  const ben = await join('ben', { room: 'profile', mode: 'dual' });
  await expect.poll(async () => (await ben.state()).others.length).toBe(1);
  const seen = () =>
    ben.page.evaluate(() => {
      const { name, metadata, attributes } = window.compat.room.remoteParticipants.get('ann');
      return { name, metadata: metadata ?? '', attributes: { ...attributes } } as Profile;
    });

  expect(await me(ann, 'setName', 'Ann')).toBe('');
  expect(await me(ann, 'setMetadata', 'nurse')).toBe('');
  expect(await me(ann, 'setAttributes', { ward: '3', shift: 'late' })).toBe('');
  await expect.poll(seen).toEqual({ name: 'Ann', metadata: 'nurse', attributes: { ward: '3', shift: 'late' } });
  expect(await me(ann, 'setAttributes', { shift: '' })).toBe('');
  await expect.poll(seen).toEqual({ name: 'Ann', metadata: 'nurse', attributes: { ward: '3' } });

  for (const [call, value] of [
    ['setName', 'x'.repeat(300)],
    ['setMetadata', 'x'.repeat(70_000)],
    ['setAttributes', { much: 'x'.repeat(70_000) }],
  ] as const) {
    expect(await me(ann, call, value), call).toMatch(/larger than/);
  }
  for (const [call, value] of [
    ['setName', 'Ben'],
    ['setMetadata', 'doctor'],
    ['setAttributes', { ward: '4' }],
  ] as const) {
    expect(await me(ben, call, value), call).toMatch(/permission/);
  }
  expect(await seen()).toEqual({ name: 'Ann', metadata: 'nurse', attributes: { ward: '3' } });
});

test('the version of the server is one that clients can compare', async ({ join }) => {
  const ann = await join('ann', { room: 'version' });
  const version = await ann.page.evaluate(() => window.compat.room.serverInfo.version as string);
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});
