import type { Page } from '@playwright/test';
import { ask } from './api.ts';
import { expect, mint } from './fixtures.ts';
import type { Server } from './server.ts';

const rights = ['chat:read', 'chat:write', 'chat:edit:own', 'chat:delete:own', 'chat:search'];

/** A conversation and the links of its people to it, by identity. */
export interface Thread {
  id: string;
  links: Record<string, string>;
  /** Asks the API in somebody's name. */
  ask(identity: string, method: string, path: string, body?: unknown): Promise<unknown>;
}

/** Makes a conversation of people, names by identity; `more` are rights that they have besides those of writing. */
export async function makeThread(server: Server, people: Record<string, string>, subject = 'A trip', more: string[] = []): Promise<Thread> {
  const [first = ''] = Object.keys(people);
  const maker = mint({ identity: first, name: people[first] ?? '', chat: { permissions: ['chat:create', ...rights] } });
  const request = (token: string, method: string, path: string, body?: unknown): Promise<unknown> =>
    ask(server, token, method, path, body, { 'Idempotency-Key': crypto.randomUUID() });
  const participants = Object.entries(people).slice(1).map(([id, name]) => ({ id, name }));
  const { conversation } = (await request(maker, 'POST', '/v1/conversations', { type: 'group', subject, participants })) as { conversation: { id: string } };
  const { id } = conversation;
  const token = (identity: string) => mint({ identity, name: people[identity] ?? '', chat: { permissions: [...rights, ...more], scope: { conversation: id } } });
  return {
    id,
    links: Object.fromEntries(Object.keys(people).map((identity) => [identity, `${server.url}/chat#token=${token(identity)}`])),
    ask: (identity, method, path, body) => request(token(identity), method, `/v1/conversations/${id}${path}`, body),
  };
}

/** Reads who is in the conversation of a call, by somebody's link into it: their names. */
export function membersOf(server: Server, link: string): () => Promise<string[]> {
  const token = new URLSearchParams(new URL(link).hash.slice(1)).get('token') ?? '';
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { scope: { conversation: string } };
  return async () => {
    const list = await ask(server, token, 'GET', `/v1/conversations/${claims.scope.conversation}/participants`);
    return (list as { items: { name: string }[] }).items.map((p) => p.name);
  };
}

/** Calls from a conversation by the button of somebody's page, longer than any machine needs to look at it. */
export async function callFrom(page: Page, thread: Thread, identity: string): Promise<void> {
  await thread.ask(identity, 'POST', '/call', { ring: 300 });
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await expect(page.getByRole('group', { name: 'Calling' })).toBeVisible();
}

export const log = (page: Page) => page.locator('cl-thread .log');
/** The message, or messages, with a text. */
export const message = (page: Page, text: string) => log(page).locator('li[part=message]').filter({ hasText: text });
export const field = (page: Page) => page.getByRole('textbox', { name: 'Message', exact: true });

export async function write(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await page.keyboard.press('Enter');
}

/** Opens a conversation by its link. */
export async function openThread(page: Page, url: string | undefined): Promise<void> {
  await page.goto(url ?? '');
  await expect(page.locator('[data-link=live]')).toHaveText('Connected');
}

/** Does something with a message, by the buttons behind its dots. */
export async function act(page: Page, text: string, action: 'Reply' | 'Edit' | 'Delete'): Promise<void> {
  await message(page, text).getByRole('button', { name: 'What can be done with this message' }).click();
  await message(page, text).getByRole('button', { name: action, exact: true }).click();
}
