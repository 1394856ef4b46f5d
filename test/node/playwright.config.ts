import e2e from '../e2e/playwright.config.ts';

// Run from test/e2e, whose packages the spec uses: npx playwright test -c ../node/playwright.config.ts
export default {
  ...e2e,
  testDir: '.',
  outputDir: '../../test-results/node',
  reporter: [['list'], ['json', { outputFile: '../../test-results/node.json' }]],
};
