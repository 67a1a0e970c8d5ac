/** Makes a failing plan of faults smaller while it still fails with the same anomaly: halves first, then one by one. */
import type { Fault } from './fault-plan.ts';
import { simulate, type Simulation, type SimulationOptions } from './simulate.ts';

const attemptsMax = 60;

export async function shrink(options: SimulationOptions, failing: Simulation): Promise<Simulation> {
  const name = failing.anomalies[0]?.name;
  let best = failing;
  let attempts = 0;
  for (let size = Math.ceil(best.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.faults.length && attempts < attemptsMax; ) {
      const faults: Fault[] = [...best.faults.slice(0, from), ...best.faults.slice(from + size)];
      attempts++;
      const smaller = await simulate({ ...options, faults });
      if (smaller.anomalies.some((anomaly) => anomaly.name === name)) best = smaller;
      else from += size;
    }
  }
  return best;
}
