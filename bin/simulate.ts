/**
 * `headgate simulate`: runs seeded worlds and tells what went wrong in them. One line per failing seed, then its shrunk
 * plan of faults and the story of how it failed. The exit code is 1 when any seed failed.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { scenarios } from '../infra/simulator/fault-plan.ts';
import { shrink } from '../infra/simulator/shrink.ts';
import { simulate, type Simulation } from '../infra/simulator/simulate.ts';
import { story } from '../infra/simulator/story.ts';

interface Options {
  readonly seed: number;
  readonly seeds: number;
  readonly steps: number;
  readonly scenario: string;
  readonly json?: boolean;
  readonly shrink: boolean;
}

export function simulateCommand(program: Command): void {
  program
    .command('simulate')
    .description('run the engine in seeded worlds full of faults, and check what its clients saw')
    .option('--seed <number>', 'the first seed', whole, 1)
    .option('--seeds <count>', 'how many seeds in a row', whole, 1)
    .option('--steps <count>', 'faults per seed', whole, 10)
    .option('--scenario <name>', `mixed, ${Object.keys(scenarios).join(', ')}`, scenario, 'mixed')
    .option('--no-shrink', 'do not look for a smaller plan of faults that fails as well')
    .option('--json', 'one JSON object per seed')
    .action(async (options: Options) => {
      process.exitCode = (await run(options)) ? 0 : 1;
    });
}

async function run(options: Options): Promise<boolean> {
  const startMs = Date.now();
  let failed = 0;
  let events = 0;
  for (let seed = options.seed; seed < options.seed + options.seeds; seed++) {
    const { scenario, steps } = options;
    const result = await simulate({ seed, scenario, steps });
    events += result.events;
    if (result.anomalies.length > 0) failed++;
    if (options.json) console.log(JSON.stringify(summary(result)));
    else if (result.anomalies.length > 0) await tell(options, result);
    else if (options.seeds === 1) console.log(`seed ${seed}: fine, ${result.events} events, history ${result.hash}`);
  }
  if (!options.json && options.seeds > 1) {
    const seconds = ((Date.now() - startMs) / 1000).toFixed(1);
    console.log(`${options.seeds} seeds, ${failed} failed, ${events} events, ${seconds} s`);
  }
  return failed === 0;
}

async function tell(options: Options, result: Simulation): Promise<void> {
  const { scenario, steps } = options;
  const smaller = options.shrink ? await shrink({ seed: result.seed, scenario, steps }, result) : result;
  console.log(story(smaller));
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
