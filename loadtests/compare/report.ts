/** Results as text: tables with ratios, and the verdict on each goal. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { Fact, Goal } from './bench.ts';
import type { RoundsResult, Sample, TargetResult } from './rounds.ts';
import { median } from './statistics.ts';

export interface BenchResult {
  readonly name: string;
  readonly about: string;
  readonly unit: string;
  readonly goals: readonly Goal[];
  readonly facts: readonly Fact[];
  readonly rounds: RoundsResult | undefined;
}

export interface MachineFacts {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly commit: string;
  readonly date: string;
}

export interface RunResult {
  readonly machine: MachineFacts;
  readonly command: string;
  readonly benches: BenchResult[];
}

export function machineFacts(dist: string): MachineFacts {
  const git = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: dirname(dist), encoding: 'utf8' });
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    commit: git.status === 0 ? git.stdout.trim() : readPackageVersion(dist),
    date: new Date().toISOString().slice(0, 10),
  };
}

function readPackageVersion(dist: string): string {
  return (JSON.parse(readFileSync(`${dirname(dist)}/package.json`, 'utf8')) as { version: string }).version;
}

/** Markdown. */
export function tableOf(bench: BenchResult): string {
  const lines = [`### ${bench.name}`, '', bench.about, ''];
  if (bench.rounds) lines.push(...rowsOf(bench, bench.rounds), '');
  if (bench.facts.length > 0) {
    lines.push('| figure | value |', '|---|---|');
    for (const { name, value, unit } of bench.facts) lines.push(`| ${name} | ${figure(value)} ${unit} |`);
    lines.push('');
  }
  for (const goal of bench.goals) {
    const verdict = judge(goal, bench);
    if (verdict) lines.push(`- ${verdict}`);
  }
  return lines.join('\n');
}

function rowsOf(bench: BenchResult, { rounds, kept, targets }: RoundsResult): string[] {
  const roles = [...new Set(targets.flatMap((target) => Object.keys(target.cpuMicrosPerOperation)))];
  const hasBytes = targets.some(({ bytesPerSecond }) => bytesPerSecond > 0);
  const hasLatency = targets.some(({ latency }) => latency);
  const head = [
    'target',
    `${bench.unit}/s`,
    'ratio',
    ...(hasBytes ? ['MB/s'] : []),
    ...roles.map((role) => `${role} CPU us`),
    'CPU ratio',
    ...(hasLatency ? ['p50 ms', 'p99 ms', 'p99.9 ms'] : []),
  ];
  const rows = targets.map((target) => [
    target.name,
    figure(target.operationsPerSecond),
    target.rateToBaseline.toFixed(2),
    ...(hasBytes ? [figure(target.bytesPerSecond / 1e6)] : []),
    ...roles.map((role) => figure(target.cpuMicrosPerOperation[role])),
    target.cpuToBaseline.toFixed(2),
    ...(hasLatency ? latencyCells(target) : []),
  ]);
  const noise = median(targets.flatMap(({ samples }) => kept.map((round) => samples[round]!.noise)));
  return [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---|').join('')}`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
    `Medians of the ${kept.length} quietest of ${rounds} rounds; others used ${(noise * 100).toFixed(0)} % of a core in these. CPU is per ${bench.unit.replace(/s$/, '')}, ratios are to the first line.`,
  ];
}

function latencyCells({ latency }: TargetResult): string[] {
  if (!latency) return ['', '', ''];
  return [latency.p50, latency.p99, latency.p999].map((us) => figure(us / 1e3));
}

/** Three significant digits, thousands apart. */
export function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  if (value === 0 || Number.isInteger(value)) return String(value);
  return value.toPrecision(3);
}

function judge(goal: Goal, bench: BenchResult): string | undefined {
  const targets = bench.rounds?.targets ?? [];
  const target = targets.find(({ name }) => name === goal.target);
  const yardstick = goal.against ? targets.find(({ name }) => name === goal.against) : targets[0];
  if (!target || !yardstick) return undefined;
  const kept = bench.rounds!.kept;
  const of = (sample: Sample): number => {
    if (goal.of === 'rate') return sample.operations / sample.seconds;
    if (goal.of === 'p99') return sample.latency?.p99 ?? Number.NaN;
    return (sample.cpuSeconds['server'] ?? Number.NaN) / sample.operations;
  };
  const ratio = median(kept.map((round) => of(target.samples[round]!) / of(yardstick.samples[round]!)));
  const isMet =
    (goal.atLeast === undefined || ratio >= goal.atLeast) && (goal.atMost === undefined || ratio <= goal.atMost);
  const bound = goal.atLeast === undefined ? `at most ${figure(goal.atMost)}` : `at least ${goal.atLeast}`;
  return `${isMet ? 'met' : 'MISSED'}: ${goal.of} of "${target.name}" to "${yardstick.name}" is ${ratio.toFixed(2)}, goal ${bound}`;
}
