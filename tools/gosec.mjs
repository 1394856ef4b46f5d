// Runs gosec over the module and shows what is not accepted below. Exits with 1 when there is something, or when an acceptance is of no use
// any more. This table is the only place of exceptions: the code has no marks.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

const accepted = [
  { rule: 'G103', in: /^sfu\/udp\//, why: 'sendmmsg, recvmsg and their socket addresses need pointers; the lengths beside them are those of the slices' },
  { rule: 'G104', in: /./, why: 'staticcheck and vet look for errors that are lost; what remains is crypto/rand, which cannot fail' },
  {
    rule: 'G115',
    in: /^(bench|chat|sfu|signal|server|turn|internal\/(blob|inspect|scan|store|webhook))\//,
    why: 'sequence numbers, timestamps and picture ids wrap by design, lengths are bounded where they are parsed; those parsers are fuzzed',
  },
  { rule: 'G110', in: /^internal\/notices\//, why: 'the compressed text is embedded by our own build' },
  { rule: 'G204', in: /^(bench|test)\//, why: 'measuring and test programs start the programs that they are about' },
  { rule: 'G304', in: /^(bench|cmd|configs|server|internal\/(audit|notices\/generate|seal|search|store))\//, why: 'the operator names these files: configuration, keys, certificates, data' },
  { rule: 'G306', in: /^(bench|test)\//, why: 'results are for everybody' },
  ...['G401', 'G501', 'G505'].map((rule) => ({ rule, in: /^turn\//, why: 'the credentials of STUN are MD5 and HMAC-SHA1 by RFC 8489; clients know no others' })),
  { rule: 'G404', in: /^(api|bench|signal|internal\/(event|search|webhook)|test)\//, why: 'jitter of retries and returns, and the choice among agents are no secrets' },
];

// It would ask go for this version about a thousand times.
const version = execFileSync('go', ['list', '-m', '-f', '{{.GoVersion}}'], { encoding: 'utf8' }).trim();

const dir = mkdtempSync(join(tmpdir(), 'gosec-'));
const out = join(dir, 'out.json');
try {
  execFileSync('go', ['tool', '-modfile=tools/go.mod', 'gosec', '-quiet', '-fmt', 'json', '-out', out, '-no-fail', '-exclude-dir=node_modules', './...'], {
    stdio: 'inherit',
    env: { ...process.env, GOSECGOVERSION: `go${version}` },
  });
  const report = JSON.parse(readFileSync(out, 'utf8'));
  let bad = 0;
  for (const [file, errors] of Object.entries(report['Golang errors'] ?? {})) {
    bad += 1;
    console.log(`${file}: ${errors.map((e) => e.error).join('; ')}`);
  }
  if (!(report.Stats.files > 100)) {
    bad += 1;
    console.log(`gosec read ${report.Stats.files} files only`);
  }
  const used = new Set();
  for (const issue of report.Issues) {
    const file = relative(process.cwd(), issue.file);
    const exception = accepted.find((a) => a.rule === issue.rule_id && a.in.test(file));
    if (exception) {
      used.add(exception);
      continue;
    }
    bad += 1;
    console.log(`${file}:${issue.line}: ${issue.rule_id} ${issue.details} (${issue.severity})`);
  }
  for (const a of accepted.filter((a) => !used.has(a))) {
    bad += 1;
    console.log(`tools/gosec.mjs accepts ${a.rule} in ${a.in}, which nothing needs`);
  }
  process.exitCode = bad > 0 ? 1 : 0;
} finally {
  rmSync(dir, { recursive: true });
}
