/**
 * `headgate simulate`: runs seeded worlds and tells what went wrong in them. One line per failing seed, then its shrunk
 * plan of faults and the story of how it failed. The exit code is 1 when any seed failed.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { scenarios } from '../infra/simulator/fault-plan.ts';
import type { Simulation } from '../infra/simulator/simulate.ts';
import type { CliContext } from './cli-context.ts';
import { CommandFailure } from './command-failure.ts';

interface Options {
  readonly seed: number;
  readonly seeds: number;
  readonly steps: number;
  readonly scenario: string;
  readonly json?: boolean;
  readonly shrink: boolean;
}

export function simulateCommand(program: Command, cli: Pick<CliContext, 'out'>): void {
  program
    .command('simulate')
    .description('run the engine in seeded worlds full of faults, and check what its clients saw')
    .option('--seed <number>', 'the first seed', whole, 1)
    .option('--seeds <count>', 'how many seeds in a row', whole, 1)
    .option('--steps <count>', 'faults per seed', whole, 10)
    .option('--scenario <name>', `mixed, ${Object.keys(scenarios).join(', ')}`, scenario, 'mixed')
    .option('--no-shrink', 'do not look for a smaller plan of faults that fails as well')
    .action((_options: object, command: Command) => run(command.optsWithGlobals<Options>(), cli));
}

/** Throws CommandFailure when any seed fails. */
async function run(options: Options, cli: Pick<CliContext, 'out'>): Promise<void> {
  // Loaded here: no other command needs the whole engine.
  const { simulate } = await import('../infra/simulator/simulate.ts');
  const startMs = Date.now();
  const { scenario, steps, json } = options;
  let failed = 0;
  let events = 0;
  for (let seed = options.seed; seed < options.seed + options.seeds; seed++) {
    const result = await simulate({ seed, scenario, steps });
    events += result.events;
    if (result.anomalies.length > 0) failed++;
    if (json) await cli.out(`${JSON.stringify(summary(result))}\n`);
    else if (result.anomalies.length > 0) await cli.out(`${await tell(options, result)}\n`);
    else if (options.seeds === 1) {
      await cli.out(`seed ${seed}: nothing wrong in ${events} events, history ${result.hash}\n`);
    }
  }
  if (!json && options.seeds > 1) {
    const seconds = ((Date.now() - startMs) / 1000).toFixed(1);
    await cli.out(`${options.seeds} seeds, ${failed} failed, ${events} events, ${seconds} s\n`);
  }
  if (failed > 0) throw new CommandFailure('failed', '');
}

async function tell(options: Options, result: Simulation): Promise<string> {
  const { shrink } = await import('../infra/simulator/shrink.ts');
  const { story } = await import('../infra/simulator/story.ts');
  const { scenario, steps } = options;
  return story(options.shrink ? await shrink({ seed: result.seed, scenario, steps }, result) : result);
}

function summary({ seed, anomalies, events, virtualMs, hash, faults }: Simulation): object {
  return { seed, anomalies, events, virtualMs, hash, faults };
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a whole number is expected');
  return Number(text);
}

function scenario(text: string): string {
  if (text !== 'mixed' && !Object.hasOwn(scenarios, text)) throw new InvalidArgumentError('there is no such scenario');
  return text;
}
