import type { Page } from '@playwright/test';
import { expect, inCall, press } from './fixtures.ts';

/** Opens a guest's link, says a name, and goes as far as the link leads: into the call, to the door, or to a refusal. */
export async function come(page: Page, url: string, name: string): Promise<void> {
  await page.goto(url);
  await page.getByRole('textbox', { name: 'Your name' }).fill(name);
  await page.getByRole('button', { name: 'Go on' }).click();
}

/** From the page before the call into the call. */
export async function goIn(page: Page): Promise<void> {
  const allow = page.getByRole('button', { name: 'Allow camera and microphone' });
  const go = page.getByRole('button', { name: 'Join call' });
  await expect(async () => {
    // A page that was allowed before asks by itself, and the button goes away.
    if (await allow.isVisible()) await allow.click({ timeout: 1000 });
    await expect(go).toBeVisible({ timeout: 3000 });
  }).toPass();
  await go.click();
  await inCall(page);
}

/** The row of somebody in the open list of people. */
export const row = (page: Page, name: string) => page.locator('cl-people-panel li[part=person]').filter({ hasText: name });

/** Opens the list of people unless it is open. */
export async function openPeople(page: Page): Promise<void> {
  if (!(await page.locator('cl-people-panel').isVisible())) await press(page, /^People/);
  await expect(page.locator('cl-people-panel')).toBeVisible();
}

/** Presses what a host can do about somebody, under "Manage" where it is there. */
export async function act(page: Page, name: string, action: string): Promise<void> {
  const button = row(page, name).getByRole('button', { name: `${action}: ${name}`, exact: true });
  if (!(await button.isVisible())) await row(page, name).getByRole('button', { name: `Manage: ${name}` }).click();
  await button.click();
}
