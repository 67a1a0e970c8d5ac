/**
 * `headgate simulate`: runs seeded worlds and reports what went wrong in them. One line per failing seed, then its shrunk
 * plan of faults and the story of how it failed. The exit code is 1 when any seed failed.
 *
 * A user who names no seed has planted or changed something and does not know where to look: it then runs what CI does.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Command, InvalidArgumentError } from 'commander';
import { scenarios } from '../../infra/simulator/fault-plan.ts';
import type { CliContext } from '../cli-context.ts';
import { optionText } from '../option-help.ts';
import { CommandFailure } from '../command-failure.ts';
import type { SeedOptions, SeedResult } from './simulate-seed.ts';

interface Options {
  readonly seed?: number;
  readonly seeds?: number;
  readonly failures: number;
  readonly steps?: number;
  readonly scenario?: string;
  readonly json?: boolean;
  readonly shrink: boolean;
  readonly workers?: number;
}

/** Without a seed. */
const seedsOfAll = 2000;
const workersOfAll = 2;

export function simulateCommand(program: Command, cli: Pick<CliContext, 'out'>): void {
  program
    .command('simulate')
    .description('Run the engine in seeded simulations full of faults, and check what its clients saw')
    .configureHelp({ showGlobalOptions: false, optionDescription: optionText })
    .option('--seed <number>', `First seed; without it ${seedsOfAll} seeds of each scenario in turn`, whole)
    .option('--seeds <count>', 'How many consecutive seeds; 1 if --seed is given', whole)
    .option('--steps <count>', 'Faults per seed; without it 3 to 6, chosen by the seed', whole)
    .option(
      '--scenario <name>',
      `One of mixed, ${Object.keys(scenarios).join(', ')}; or each, to take them in turn`,
      scenario,
    )
    .option('--workers <count>', 'Number of processes that share the seeds', whole)
    .option('--failures <count>', 'Stop when this many seeds have failed', whole, 10)
    .option('--no-shrink', 'Do not look for a smaller plan of faults that also fails')
    .action((_options: object, command: Command) => run(command.optsWithGlobals<Options>(), cli));
}

/** Throws CommandFailure when any seed fails. */
async function run(options: Options, cli: Pick<CliContext, 'out'>): Promise<void> {
  const startMs = Date.now();
  let failed = 0;
  let events = 0;
  const json = options.json ?? false;
  const { steps, shrink } = options;
  const isAll = options.seed === undefined;
  const { seed: first = 1, seeds = isAll ? seedsOfAll : 1, workers = isAll ? workersOfAll : 1 } = options;
  const { scenario: name = isAll ? 'each' : 'mixed' } = options;
  const tasks = Array.from({ length: seeds }, (_, i) => {
    const seed = first + i;
    return { seed, steps, shrink, json, isAlone: seeds === 1, scenario: scenarioOf(name, seed) };
  });
  let run = 0;
  for await (const result of results(tasks, Math.min(workers, tasks.length))) {
    run++;
    events += result.events;
    if (result.isFailed) failed++;
    if (result.text) await cli.out(`${result.text}\n`);
    if (failed >= options.failures) break;
  }
  if (!json && tasks.length > 1) {
    const seconds = ((Date.now() - startMs) / 1000).toFixed(1);
    await cli.out(`${run} seeds, ${failed} failed, ${events} events, ${seconds} s\n`);
  }
  if (failed > 0) throw new CommandFailure('failed', '');
}

/** 'each' rotates through the scenarios, so that a range of seeds covers all of them. */
function scenarioOf(name: string, seed: number): string {
  const names = ['mixed', ...Object.keys(scenarios)];
  return name === 'each' ? names[seed % names.length]! : name;
}

/** In the order of the seeds, whichever finishes first. */
async function* results(tasks: readonly SeedOptions[], workers: number): AsyncGenerator<SeedResult> {
  if (workers <= 1) {
    // Loaded here: no other command needs the whole engine.
    const { runSeed } = await import('./simulate-seed.ts');
    for (const task of tasks) yield await runSeed(task);
    return;
  }
  const done = tasks.map(() => promised<SeedResult>());
  let next = 0;
  // Processes and not threads: a thread that is told to end may spin for ever and block the whole program (Node 20).
  const children = Array.from({ length: workers }, () => {
    const child = fork(fileURLToPath(new URL('./simulate-worker.js', import.meta.url)));
    let at = -1;
    const give = (): void => {
      at = next++;
      if (at < tasks.length) child.send(tasks[at]!);
    };
    child.on('message', (result: SeedResult) => {
      done[at]!.resolve(result);
      give();
    });
    child.on('error', (error) => done[at]?.reject(error));
    child.on('exit', (code, signal) => {
      done[at]?.reject(new Error(`the process that ran seed ${tasks[at]?.seed} ended with ${signal ?? code}`));
    });
    give();
    return child;
  });
  try {
    for (const { promise } of done) yield await promise;
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

function promised<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
  // Its failure may come before it is awaited.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a whole number is expected');
  return Number(text);
}

function scenario(text: string): string {
  if (text !== 'mixed' && text !== 'each' && !Object.hasOwn(scenarios, text))
    throw new InvalidArgumentError('there is no such scenario');
  return text;
}
