import e2e from '../../test/e2e/playwright.config.ts';

// Run from test/e2e, whose packages it uses: npx playwright test -c ../../bench/browser/playwright.config.ts
export default {
  ...e2e,
  testDir: '.',
  testMatch: 'bars.ts',
  outputDir: '../../test-results/bars',
  timeout: 15 * 60_000,
  reporter: 'line',
};
