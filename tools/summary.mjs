// Prints what failed, then the counts of all tests on one line. Exits with 1 when a test failed or a part left no results.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const dir = process.argv[2];
const count = { passed: 0, failed: 0, skipped: 0 };
const text = (name) => {
  try {
    return readFileSync(join(dir, name), 'utf8');
  } catch {
    return '';
  }
};
const failure = (title, output) => {
  count.failed += 1;
  console.log(`\n--- FAIL ${title}\n${output.trimEnd()}`);
};

function goTests() {
  const output = new Map();
  const results = [];
  for (const line of text('go.json').split('\n')) {
    if (!line.startsWith('{')) continue;
    const event = JSON.parse(line);
    const key = `${event.Package ?? event.ImportPath} ${event.Test ?? ''}`;
    if (event.Action === 'output' || event.Action === 'build-output') output.set(key, (output.get(key) ?? '') + event.Output);
    if (['pass', 'fail', 'skip'].includes(event.Action)) results.push({ key, event });
  }
  if (results.length === 0) failure('Go tests', `no results\n${text('go.stderr')}`);
  const failedPackages = new Set(results.filter((r) => r.event.Test && r.event.Action === 'fail').map((r) => r.event.Package));
  for (const { key, event } of results) {
    if (event.Test) {
      if (event.Action === 'pass') count.passed += 1;
      else if (event.Action === 'skip') count.skipped += 1;
      else failure(key, output.get(key) ?? '');
    } else if (event.Action === 'fail' && !failedPackages.has(event.Package)) {
      failure(event.Package, (output.get(key) ?? '') + (output.get(`${event.FailedBuild ?? ''} `) ?? '') + text('go.stderr'));
    }
  }
}

function webTests() {
  const raw = text('web.json');
  if (!raw) return failure('tests of the pages', 'no results');
  for (const file of JSON.parse(raw).testResults) {
    if (file.assertionResults.length === 0 && file.status === 'failed') failure(file.name, file.message);
    for (const test of file.assertionResults) {
      if (test.status === 'passed') count.passed += 1;
      else if (test.status === 'failed') failure(test.fullName, test.failureMessages.join('\n'));
      else count.skipped += 1;
    }
  }
}

function browserTests(name) {
  const raw = text(name);
  if (!raw) return failure(`browser tests, ${name}`, 'no results');
  const report = JSON.parse(raw);
  const { expected, unexpected, flaky, skipped } = report.stats;
  count.passed += expected;
  count.skipped += skipped;
  for (const suite of report.suites) browserFailures(suite, name.replace('.json', ''));
  if (expected + unexpected + flaky === 0) failure(`browser tests, ${name}`, report.errors.map((e) => e.message).join('\n') || 'none ran');
}

// A test that passed when it was tried again has failed too: it depends on something it does not control.
function browserFailures(suite, path) {
  const title = `${path}: ${suite.title}`;
  for (const spec of suite.specs ?? []) {
    for (const test of spec.tests) {
      if (!['unexpected', 'flaky'].includes(test.status)) continue;
      const errors = test.results.flatMap((result) => result.errors.map((e) => e.message));
      failure(`${title}: ${spec.title}`, errors.join('\n') || test.results.map((result) => result.status).join(', '));
    }
  }
  for (const inner of suite.suites ?? []) browserFailures(inner, title);
}

goTests();
webTests();
browserTests('e2e.json');
browserTests('compat.json');
browserTests('react.json');
browserTests('node.json');
console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exit(count.failed === 0 ? 0 : 1);
