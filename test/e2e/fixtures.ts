import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, BrowserContextOptions, Page } from '@playwright/test';
import { test as base, expect as baseExpect } from '@playwright/test';
import { createHmac } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Server } from './server.ts';
import { startServer } from './server.ts';

/** Playwright's expect, whose polls look every fifth of a second: its own wait for a whole one after the third look, in each of hundreds. */
export const expect = new Proxy(baseExpect, {
  get(target, name) {
    if (name !== 'poll') return Reflect.get(target, name) as unknown;
    const poll: typeof target.poll = (actual, options) =>
      target.poll(actual, { intervals: [50, 100, 200], ...(typeof options === 'string' ? { message: options } : options) });
    return poll;
  },
});

const pictures = resolve(import.meta.dirname, '../../test-results/screenshots');

/** The sizes at which pages are looked at. */
export const sizes = { phone: { width: 360, height: 740 }, tablet: { width: 768, height: 1024 }, desk: { width: 1440, height: 900 } };

export interface People {
  /** A browser of its own for one person; its console must stay free of errors. */
  person(options?: BrowserContextOptions): Promise<Page>;
  /** Lets what a test causes on purpose appear in the console. */
  expectTrouble(pattern: RegExp): void;
}

export const test = base.extend<{ people: People }, { server: Server }>({
  server: [
    async ({}, use) => {
      const server = await startServer();
      await use(server);
      expect(await server.stop(), `the server's exit code; it wrote:\n${server.log()}`).toBe(0);
    },
    { scope: 'worker' },
  ],
  people: async ({ browser }, use) => {
    const trouble: string[] = [];
    const expected: RegExp[] = [];
    const contexts: Awaited<ReturnType<Browser['newContext']>>[] = [];
    await use({
      async person(options) {
        const context = await browser.newContext({ viewport: sizes.desk, ...options });
        contexts.push(context);
        const page = await context.newPage();
        page.on('pageerror', (error) => trouble.push(error.stack ?? error.message));
        page.on('console', (message) => {
          if (message.type() === 'error') trouble.push(message.text());
        });
        return page;
      },
      expectTrouble(pattern) {
        expected.push(pattern);
      },
    });
    for (const context of contexts) await context.close();
    expect(trouble.filter((text) => !expected.some((pattern) => pattern.test(text)))).toEqual([]);
  },
});

/** Opens a link and goes through what comes before the call. */
export async function join(page: Page, url: string): Promise<void> {
  await page.goto(url);
  const allow = page.getByRole('button', { name: 'Allow camera and microphone' });
  const go = page.getByRole('button', { name: 'Join call' });
  await expect(allow.or(go)).toBeVisible();
  if (await allow.isVisible()) await allow.click();
  await go.click();
  await inCall(page);
}

export async function inCall(page: Page): Promise<void> {
  await expect(page.locator('[data-link=steady]')).toHaveText('Connected');
}

/** Presses one of the call's buttons, through "More" where there is little room. */
export async function press(page: Page, name: string | RegExp): Promise<void> {
  const button = page.getByRole('button', { name, exact: typeof name === 'string' });
  const more = page.getByRole('button', { name: 'More', exact: true });
  if (!(await button.first().isVisible()) && (await more.isVisible())) await more.click();
  await button.last().click();
}

/** A token as an API client would make it, for what the start page does not hand out. */
export function mint(claims: { identity: string; room?: string; name?: string; expires?: number; video?: object; chat?: object; secret?: string }): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const expires = claims.expires ?? Math.floor(Date.now() / 1000) + 3600;
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({
    iss: 'devkey',
    sub: claims.identity,
    name: claims.name ?? claims.identity,
    nbf: expires - 7200,
    exp: expires,
    ...claims.chat,
    ...(claims.room === undefined ? {} : { video: { roomJoin: true, room: claims.room, ...claims.video } }),
  })}`;
  return `${signed}.${createHmac('sha256', claims.secret ?? 'secret').update(signed).digest('base64url')}`;
}

/** Checks a state of a page for sideways scrolling and keeps a picture in every size, and for accessibility in the smallest and widest. */
export async function look(page: Page, name: string): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  const before = page.viewportSize();
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(wider, `${name} scrolls sideways at ${viewport.width} px`).toBeLessThanOrEqual(0);
    await page.screenshot({ path: resolve(pictures, `${name}-${size}.png`) });
    if (size === 'tablet') continue;
    const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
    const violations = found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => `${String(n.target)} ${n.failureSummary ?? ''}`).join(' | ')}`);
    expect(violations, `accessibility of ${name} at ${viewport.width} px`).toEqual([]);
  }
  if (before) await page.setViewportSize(before);
}
