/**
 * `npm run clients -- --target headgate|kafka|both --client NAME`: installs what the clients need, runs them, and
 * prints which client can do what against which server. Without flags: every client against Headgate. Both flags accept
 * lists separated by commas.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const allClients = ['kcat', 'kafkajs', 'librdkafka', 'java-tools', 'java-client', 'kafka-streams', 'franz-go'];
const allTargets = ['headgate', 'kafka'];

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'headgate' },
    client: { type: 'string', default: 'all' },
    /** Where the numbers go as JSON, for .ci/run. */
    summary: { type: 'string' },
  },
});
const targets = values.target === 'both' ? allTargets : values.target.split(',');
const clients = values.client === 'all' ? allClients : values.client.split(',');
const unknown = [
  ...targets.filter((name) => !allTargets.includes(name)),
  ...clients.filter((name) => !allClients.includes(name)),
];
if (unknown.length > 0) {
  console.error(`unknown: ${unknown}. Targets: ${allTargets}, both. Clients: ${allClients}, all.`);
  process.exit(2);
}

function run(command, args, environment = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...environment } });
  return result.status ?? 1;
}

const setup = run(join(root, '.ci', 'clients', 'setup'), [...clients, ...(targets.includes('kafka') ? ['kafka'] : [])]);
if (setup !== 0) process.exit(setup);

const folder = mkdtempSync(join(tmpdir(), 'clients-'));
const report = values.summary ?? join(folder, 'report.json');
const test = ['--then', 'test', '--', '--config', 'vitest.clients.config.ts', '--reporter=verbose', '--reporter=json'];
const code = run(
  process.execPath,
  [join(root, 'bin', 'setup.mjs'), ...test, `--outputFile.json=${report}`, ...clients],
  { HEADGATE_CLIENT_TARGETS: targets.join(',') },
);
if (!existsSync(report)) {
  console.error('clients: no test was run');
  process.exit(code || 1);
}
const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
rmSync(folder, { recursive: true, force: true });
process.stdout.write(matrix(testResults.flatMap(({ assertionResults }) => assertionResults)));
process.exit(code);

/** A row for each step, a column for each client and target; `.` where a client has no such call. */
function matrix(results) {
  const cells = new Map();
  const rows = [];
  for (const { ancestorTitles, title, status } of results) {
    const [target, client] = ancestorTitles;
    if (!rows.includes(title)) rows.push(title);
    cells.set(`${title}|${target}|${client}`, status === 'passed' ? 'pass' : status === 'failed' ? 'FAIL' : status);
  }
  const left = Math.max(...rows.map((row) => row.length), 0);
  const width = Math.max(...clients.map((client) => client.length)) + 2;
  let text = '';
  for (const target of targets) {
    text += `\n${target.padEnd(left)}${clients.map((client) => client.padStart(width)).join('')}\n`;
    for (const row of rows) {
      const marks = clients.map((client) => cells.get(`${row}|${target}|${client}`) ?? '.');
      if (marks.some((mark) => mark !== '.'))
        text += `${row.padEnd(left)}${marks.map((mark) => mark.padStart(width)).join('')}\n`;
    }
  }
  return text;
}
