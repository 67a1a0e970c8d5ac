/** The report of a soak, as text and as JSON. */
import { cpus, loadavg } from 'node:os';
import type { Anomaly } from './checker.ts';
import type { Downtime, LongestPause, Times } from './downtime.ts';
import type { FaultKind } from './fault-plan.ts';
import type { Injector } from './inject.ts';
import type { Recorder } from './recorder.ts';
import type { Site } from './site.ts';

export interface SoakReport {
  readonly seed: number;
  readonly kills: number;
  readonly brokers: number;
  readonly partitions: number;
  readonly minutes: number;
  readonly processesKilled: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly sent: number;
  readonly acked: number;
  readonly refused: number;
  readonly read: number;
  readonly commits: number;
  /** While records were acknowledged: of the group as a whole, and of its slowest partition. */
  readonly longestWithoutCommitMs: { readonly group: number; readonly partition: number };
  /** How often a member of the group crashed, by the name of the error, and how often of that kafkajs did not begin it again. */
  readonly memberCrashes: Readonly<Record<string, { readonly count: number; readonly final: number }>>;
  readonly stored: number;
  /** From a broker's SIGKILL to the first write sent after it, per partition that the broker owned. */
  readonly killToWritable: Times;
  readonly byFault: Readonly<Record<string, Times>>;
  readonly longestPauseMs: Readonly<Record<string, number>>;
  readonly longestPause: LongestPause;
  readonly longestPauseAwake: LongestPause;
  /** From its begin until it works, by kind of process. */
  readonly longestStartMs: Readonly<Record<string, number>>;
  readonly machine: string;
}

const brokerKills: readonly FaultKind[] = [
  'kill-broker',
  'kill-two',
  'kill-zone',
  'kill-in-recovery',
  'kill-replacement',
];

export function writeReport(
  { seed, kills, brokers, partitions }: { seed: number; kills: number; brokers: number; partitions: number },
  recorder: Recorder,
  downtime: Downtime,
  injector: Injector,
  site: Site,
): SoakReport {
  const { counts, pauses, crashes } = recorder.checker;
  const load = loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');
  return {
    seed,
    kills,
    brokers,
    partitions,
    minutes: Math.round((performance.now() - recorder.beginMs) / 6000) / 10,
    processesKilled: injector.processesKilled,
    faults: Object.fromEntries([...injector.counts].sort(([a], [b]) => a.localeCompare(b))),
    ...counts,
    longestWithoutCommitMs: { group: pauses.longestMs, partition: pauses.longestOfPartitionMs },
    memberCrashes: Object.fromEntries([...crashes].sort(([a], [b]) => a.localeCompare(b))),
    stored: recorder.checker.storedCount(),
    killToWritable: downtime.times(brokerKills),
    byFault: Object.fromEntries(downtime.kinds().map((kind) => [kind, downtime.times([kind])])),
    longestPauseMs: downtime.longestPausesMs(),
    longestPause: downtime.longestPause,
    longestPauseAwake: downtime.longestPauseAwake,
    longestStartMs: Object.fromEntries(site.startsMs),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, load ${load}, node ${process.versions.node}`,
  };
}

function groupLine({ commits, longestWithoutCommitMs: { group, partition }, memberCrashes }: SoakReport): string {
  const crashes = Object.entries(memberCrashes).map(([name, { count, final }]) => `${name} ${count} (${final} final)`);
  const ended = crashes.length === 0 ? 'no member crashed' : `members crashed: ${crashes.join(', ')}`;
  return `  ${commits} commits of the group, ${group} ms at most without one (${partition} ms in one partition); ${ended}`;
}

function pauseLine(name: string, { ms, stoppedMs, partition, faults }: LongestPause): string {
  const within = faults
    .map(({ kind, afterMs, isOwners }) => `${kind} at ${afterMs} ms (${isOwners ? 'its owner' : 'another'})`)
    .join(', ');
  const stopped = stoppedMs > 0 ? `, for ${stoppedMs} of which its gateway was stopped` : '';
  return `  ${name}: ${ms} ms in partition ${partition}${stopped}; faults, from the begin of the pause: ${within === '' ? 'none' : within}`;
}

export function reportText(report: SoakReport, anomalies: readonly Anomaly[]): string {
  const line = (name: string, { samples, p50Ms, p99Ms, maxMs }: Times): string =>
    `  ${name.padEnd(18)} ${String(samples).padStart(6)} ${`${p50Ms} ms`.padStart(9)} ${`${p99Ms} ms`.padStart(9)} ${`${maxMs} ms`.padStart(9)}`;
  const lines = [
    `soak: seed ${report.seed}, ${report.kills} faults by force in ${report.minutes} min, ${report.processesKilled} processes killed`,
    `  ${Object.entries(report.faults)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ')}`,
    `  ${report.brokers} brokers, ${report.partitions} partitions; ${report.machine}`,
    `  ${report.sent} records sent, ${report.acked} acknowledged, ${report.refused} refused, ${report.stored} stored, ${report.read} read`,
    groupLine(report),
    '  to writable        samples       p50       p99   longest',
    line('SIGKILL of brokers', report.killToWritable),
    ...Object.entries(report.byFault).map(([kind, times]) => line(kind, times)),
    `  longest pause of a partition, by the fault before it: ${Object.entries(report.longestPauseMs)
      .map(([kind, ms]) => `${kind} ${ms} ms`)
      .join(', ')}`,
    pauseLine('the longest of all', report.longestPause),
    pauseLine('the longest but for the time in which a gateway was stopped', report.longestPauseAwake),
    `  longest start: ${Object.entries(report.longestStartMs)
      .map(([kind, ms]) => `${kind} ${ms} ms`)
      .join(', ')}`,
  ];
  for (const { name, what } of anomalies) lines.push(`  ANOMALY ${name}: ${what}`);
  lines.push(anomalies.length === 0 ? 'soak: nothing lost, doubled, out of order or invented' : 'soak: FAILED');
  return lines.join('\n');
}
