import e2e from '../e2e/playwright.config.ts';

// Run from test/e2e, whose packages these specs use: npx playwright test -c ../compat/playwright.config.ts
export default {
  ...e2e,
  testDir: '.',
  outputDir: '../../test-results/compat',
  reporter: [['list'], ['json', { outputFile: '../../test-results/compat.json' }]],
};
