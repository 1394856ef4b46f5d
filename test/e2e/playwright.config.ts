import { defineConfig } from '@playwright/test';

// Everything the fake camera and microphone need, and nothing that talks to anybody outside.
export const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--auto-select-desktop-capture-source=Entire screen',
  // A muted element reports no audio energy, so the browser is muted instead.
  '--mute-audio',
];

export default defineConfig({
  testDir: '.',
  outputDir: '../../test-results/e2e',
  timeout: 60_000,
  expect: { timeout: 15_000 },
  // Each test decodes video in two browsers: more of them at once would measure the machine.
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: [['list'], ['json', { outputFile: '../../test-results/e2e.json' }]],
  use: {
    launchOptions: { executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: flags },
    headless: true,
    locale: 'en-GB',
    screenshot: 'only-on-failure',
  },
});
