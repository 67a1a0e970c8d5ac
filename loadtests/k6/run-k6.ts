/**
 * `npm run load -- SCENARIO [--profile smoke|load|stress|spike]`: installs k6 when it is missing, starts its own Headgate
 * unless HEADGATE_HTTP names one, runs the scenario, and leaves k6's summary as JSON. `all` runs every scenario.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { Instance } from '../../bin/demo/instance.ts';
import { installK6 } from './install-k6.ts';

const dist = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const root = dirname(dist);
const scenarios = ['produce', 'consume', 'sse', 'websocket', 'two-tenants'] as const;
const profiles = ['smoke', 'load', 'stress', 'spike'] as const;

interface Options {
  readonly profile: string;
  readonly summary: string;
}

const log = (line: string): void => void process.stderr.write(`load: ${line}\n`);

const program = new Command('load')
  .description(`Scenarios: ${scenarios.join(', ')}, or all.`)
  .argument('<scenario>')
  .option('--profile <name>', profiles.join(', '), 'smoke')
  .option('--summary <folder>', 'where <scenario>.json is left', '.bench/k6')
  .action(async (scenario: string, options: Options) => {
    const chosen = scenario === 'all' ? scenarios : scenarios.filter((name) => name === scenario);
    if (chosen.length === 0) throw new Error(`there is no scenario ${scenario}: ${scenarios.join(', ')}, all`);
    if (!profiles.some((name) => name === options.profile)) throw new Error(`there is no profile ${options.profile}`);
    const k6 = await installK6(root, log);
    const own = process.env['HEADGATE_HTTP'] ? undefined : await startOwn();
    let failures = 0;
    try {
      for (const name of chosen) if (!(await runScenario(k6, name, options, own?.environment ?? {}))) failures++;
    } finally {
      await own?.remove();
    }
    log(`${chosen.length - failures} of ${chosen.length} scenarios passed`);
    process.exitCode = failures === 0 ? 0 : 1;
  });

async function startOwn(): Promise<Instance> {
  log('HEADGATE_HTTP is not set: starting a Headgate in a temporary folder');
  // Quotas are tested elsewhere; here they would only cause refusals.
  const instance = await Instance.start({
    program: join(dist, 'bin', 'main.js'),
    flags: ['--quota-profile', 'unlimited'],
  });
  log(`it serves at ${instance.http}`);
  return instance;
}

async function runScenario(
  k6: string,
  name: string,
  { profile, summary }: Options,
  environment: Readonly<Record<string, string>>,
): Promise<boolean> {
  mkdirSync(summary, { recursive: true });
  const file = join(summary, `${name}.json`);
  const script = join(root, 'loadtests', 'k6', `${name}.ts`);
  if (!existsSync(script)) throw new Error(`${script} is missing`);
  log(`${name}, ${profile}`);
  // Progress is for a person who watches; in a log it buries the errors.
  const progress = process.stdout.isTTY ? [] : ['--quiet'];
  const child = spawn(k6, ['run', ...progress, '--summary-export', file, '--no-usage-report', script], {
    stdio: 'inherit',
    env: { ...process.env, ...environment, LOAD_PROFILE: profile, LOAD_RUN_ID: Date.now().toString(36) },
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  log(`${name}: ${code === 0 ? 'passed' : `failed (k6 exit code ${code})`}, summary in ${file}`);
  return code === 0;
}

try {
  await program.parseAsync();
} catch (error) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
