/**
 * `npm run bench`: runs benches, prints the results, and writes JSON and a report. Reading the results: CPU per operation
 * and ratios within one run are comparable between machines and days; rates are not.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { benches } from '../benches/benches.ts';
import type { Bench, BenchEnvironment, Target } from './bench.ts';
import { inspectable } from './profile.ts';
import { profileTargets } from './profile-targets.ts';
import { type BenchResult, machineFacts, type RunResult, tableOf } from './report.ts';
import { writeReport } from './write-report.ts';
import { runRounds } from './rounds.ts';

const dist = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

interface Options {
  readonly rounds: string;
  readonly seconds: string;
  readonly scale: string;
  readonly json?: string;
  readonly report?: string;
  readonly profile?: boolean;
}

const program = new Command('bench')
  .description(`Benches: ${benches.map(({ name }) => name).join(', ')}. Without a name, all of them.`)
  .argument('[names...]', 'benches to run')
  .option('--rounds <n>', 'rounds over all targets of a bench', '5')
  .option('--seconds <s>', 'length of one measurement', '3')
  .option('--scale <x>', 'share of the full size of benches that have one, 0 to 1', '1')
  .option('--json <file>', 'write all samples here')
  .option('--report <folder>', 'write report.md and its plots here')
  .option('--profile', 'profile the servers of each target instead of comparing, and print the functions by self time');

program.action(async (names: string[], options: Options) => {
  const chosen = names.length === 0 ? benches : names.map(benchOf);
  const result: RunResult = { machine: machineFacts(dist), command: process.argv.slice(2).join(' '), benches: [] };
  log(
    `machine: ${result.machine.processor} × ${cpus().length}, Node ${process.version}, commit ${result.machine.commit}`,
  );
  for (const bench of chosen) {
    const measured = await runBench(bench, options);
    if (!measured) continue;
    result.benches.push(measured);
    process.stdout.write(`\n${tableOf(measured)}\n`);
  }
  if (options.json) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify(result, undefined, 1)}\n`);
    log(`samples: ${options.json}`);
  }
  if (options.report) log(`report: ${writeReport(options.report, result)}`);
});

function benchOf(name: string): Bench {
  const bench = benches.find((candidate) => candidate.name === name);
  if (!bench) throw new Error(`there is no bench ${name}: ${benches.map((b) => b.name).join(', ')}`);
  return bench;
}

async function runBench(bench: Bench, options: Options): Promise<BenchResult | undefined> {
  const folders: string[] = [];
  const environment: BenchEnvironment = {
    dist,
    profile: options.profile === true,
    scale: Number(options.scale),
    log,
    folder() {
      // Not in the system's temporary folder, which may be memory: disks are part of the measurement.
      const root = join(dirname(dist), '.bench');
      mkdirSync(root, { recursive: true });
      const folder = mkdtempSync(join(root, 'run-'));
      folders.push(folder);
      return folder;
    },
  };
  log(`${bench.name}: ${bench.about}`);
  let stop: (() => Promise<void>) | undefined;
  try {
    const facts = (await bench.facts?.(environment)) ?? [];
    if (!bench.open)
      return { name: bench.name, about: bench.about, unit: bench.unit, goals: [], facts, rounds: undefined };
    const opened = await bench.open(environment);
    stop = () => opened.stop();
    const seconds = Number(options.seconds);
    if (options.profile) {
      await profileTargets(bench, serving(opened.targets), seconds, options.report ?? '.bench', log);
      return undefined;
    }
    const rounds = await runRounds(bench, opened.targets, Number(options.rounds), seconds, log);
    return { name: bench.name, about: bench.about, unit: bench.unit, goals: bench.goals ?? [], facts, rounds };
  } finally {
    await stop?.();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Targets in separate processes; the runner cannot profile itself this way. */
function serving(targets: readonly Target[]): Target[] {
  return targets.filter(({ processes }) => processes['server']?.every((pid) => pid !== process.pid));
}

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

if (process.argv.includes('--profile'))
  process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} ${inspectable}`;
try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
  process.exitCode = 1;
}
process.exit();
