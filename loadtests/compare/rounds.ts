/**
 * Alternates the targets of a bench within one run (A B C A B C ...), so that the machine affects all of them alike, and
 * discards the noisiest rounds: those in which other processes used the processors or the hypervisor took them.
 */
import type { Bench, Measured, Target } from './bench.ts';
import { machineTimes, processSeconds } from './cpu.ts';
import { type LatencySummary, median } from './statistics.ts';

export interface Sample extends Measured {
  /** By role. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
  /** CPU seconds of other processes, and of the hypervisor, per second. */
  readonly noise: number;
}

export interface TargetResult {
  readonly name: string;
  readonly samples: readonly Sample[];
  /** Medians over the kept rounds. */
  readonly operationsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly cpuMicrosPerOperation: Readonly<Record<string, number>>;
  readonly latency: LatencySummary | undefined;
  /** Median over the kept rounds of this target's rate divided by the baseline's in the same round. */
  readonly rateToBaseline: number;
  /** The same for the 'server' role's CPU per operation. */
  readonly cpuToBaseline: number;
}

export interface RoundsResult {
  readonly rounds: number;
  readonly kept: readonly number[];
  readonly targets: readonly TargetResult[];
}

export async function runRounds(
  bench: Bench,
  targets: readonly Target[],
  rounds: number,
  seconds: number,
  log: (line: string) => void,
): Promise<RoundsResult> {
  const samples: Sample[][] = targets.map(() => []);
  for (const target of targets) await warmUp(target, seconds);
  for (let round = 0; round < rounds; round++) {
    for (const [i, target] of targets.entries()) {
      const sample = await sampleOf(target, seconds);
      samples[i]!.push(sample);
      const rate = Math.round(sample.operations / sample.seconds);
      log(
        `${bench.name}: round ${round + 1}/${rounds}, ${target.name}: ${rate} ${bench.unit}/s, noise ${(sample.noise * 100).toFixed(0)} %`,
      );
    }
  }
  const kept = quietRounds(samples, rounds);
  return { rounds, kept, targets: targets.map((target, i) => resultOf(target, samples[i]!, samples[0]!, kept)) };
}

/**
 * How often a code path has to run until it is fully compiled. A gateway's CPU time per request falls until about here
 * (docs/benchmarks.md, Method). A yardstick that does nothing has nothing to compile, so a shorter warm-up favours it.
 */
const warmUpOperations = 150_000;
const warmUpRunsMax = 8;

export async function warmUp(target: Target, seconds: number): Promise<void> {
  let operations = 0;
  for (let run = 0; run < warmUpRunsMax && operations < warmUpOperations; run++) {
    operations += (await target.run(Math.min(1, seconds))).operations;
  }
}

async function sampleOf(target: Target, seconds: number): Promise<Sample> {
  const before = snapshot(target);
  const measured = await target.run(seconds);
  const after = snapshot(target);
  const cpuSeconds: Record<string, number> = {};
  let own = 0;
  for (const role of Object.keys(target.processes)) {
    cpuSeconds[role] = after.roles[role]! - before.roles[role]!;
    own += cpuSeconds[role];
  }
  const busy = after.machine.busySeconds - before.machine.busySeconds;
  const steal = after.machine.stealSeconds - before.machine.stealSeconds;
  const wall = (after.atMs - before.atMs) / 1e3;
  const noise = (Math.max(0, busy - own - (after.runner - before.runner)) + steal) / wall;
  return { ...measured, cpuSeconds: { ...cpuSeconds, ...measured.cpuSeconds }, noise };
}

function snapshot(target: Target) {
  const roles: Record<string, number> = {};
  let isRunnerCounted = false;
  for (const [role, pids] of Object.entries(target.processes)) {
    roles[role] = pids.reduce((sum, pid) => sum + processSeconds(pid), 0);
    if (pids.includes(process.pid)) isRunnerCounted = true;
  }
  return {
    roles,
    machine: machineTimes(),
    runner: isRunnerCounted ? 0 : processSeconds(process.pid),
    atMs: performance.now(),
  };
}

/** Two thirds of the rounds, the quietest ones; a round is as noisy as its noisiest sample. */
export function quietRounds(samples: readonly (readonly { readonly noise: number }[])[], rounds: number): number[] {
  const noiseOf = (round: number): number => Math.max(...samples.map((list) => list[round]!.noise));
  const order = Array.from({ length: rounds }, (_, round) => round).sort((a, b) => noiseOf(a) - noiseOf(b));
  return order.slice(0, Math.ceil((rounds * 2) / 3)).sort((a, b) => a - b);
}

function resultOf(
  target: Target,
  all: readonly Sample[],
  baseline: readonly Sample[],
  kept: readonly number[],
): TargetResult {
  const samples = kept.map((round) => all[round]!);
  const rateOf = (sample: Sample): number => sample.operations / sample.seconds;
  const roles = Object.keys(samples[0]!.cpuSeconds);
  const cpuOf = (sample: Sample, role: string): number =>
    ((sample.cpuSeconds[role] ?? Number.NaN) * 1e6) / sample.operations;
  const latencies = samples.flatMap(({ latency }) => (latency ? [latency] : []));
  const latencyOf = (key: keyof LatencySummary): number => median(latencies.map((latency) => latency[key]));
  return {
    name: target.name,
    samples: all,
    operationsPerSecond: median(samples.map(rateOf)),
    bytesPerSecond: median(samples.map((sample) => sample.bytes / sample.seconds)),
    cpuMicrosPerOperation: Object.fromEntries(roles.map((role) => [role, median(samples.map((s) => cpuOf(s, role)))])),
    latency:
      latencies.length === 0
        ? undefined
        : { p50: latencyOf('p50'), p99: latencyOf('p99'), p999: latencyOf('p999'), max: latencyOf('max') },
    rateToBaseline: median(kept.map((round) => rateOf(all[round]!) / rateOf(baseline[round]!))),
    cpuToBaseline: median(kept.map((round) => cpuOf(all[round]!, 'server') / cpuOf(baseline[round]!, 'server'))),
  };
}
