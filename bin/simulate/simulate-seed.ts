/** Runs one seed of `headgate simulate` and returns what to print about it. */
import { shrink } from '../../infra/simulator/shrink.ts';
import { simulate, type Simulation } from '../../infra/simulator/simulate.ts';
import { story } from '../../infra/simulator/story.ts';

export interface SeedOptions {
  readonly seed: number;
  readonly steps: number | undefined;
  readonly scenario: string;
  readonly json: boolean;
  readonly shrink: boolean;
  /** The only seed: reported even when nothing is wrong. */
  readonly isAlone: boolean;
}

export interface SeedResult {
  readonly seed: number;
  readonly isFailed: boolean;
  readonly events: number;
  /** Empty when there is nothing to report. */
  readonly text: string;
}

export async function runSeed(options: SeedOptions): Promise<SeedResult> {
  const { seed, scenario, steps } = options;
  const result = await simulate({ seed, scenario, steps });
  const { events, anomalies } = result;
  const isFailed = anomalies.length > 0;
  let text = '';
  if (options.json) text = JSON.stringify(summary(result));
  else if (isFailed) text = await tell(options, result);
  else if (options.isAlone) text = `seed ${seed}: nothing wrong in ${events} events, history ${result.hash()}`;
  return { seed, isFailed, events, text };
}

async function tell(options: SeedOptions, result: Simulation): Promise<string> {
  const { seed, scenario, steps } = options;
  return story(options.shrink ? await shrink({ seed, scenario, steps }, result) : result);
}

function summary(result: Simulation): object {
  const { seed, anomalies, events, virtualMs, faults } = result;
  return { seed, anomalies, events, virtualMs, hash: result.hash(), faults };
}
