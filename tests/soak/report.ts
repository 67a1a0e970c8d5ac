/** What a soak tells of its run, as text and as JSON. */
import { cpus, loadavg } from 'node:os';
import type { Anomaly } from './checker.ts';
import type { Downtime, Times } from './downtime.ts';
import type { FaultKind } from './fault-plan.ts';
import type { Injector } from './inject.ts';
import type { Recorder } from './recorder.ts';

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
  readonly stored: number;
  /** From a broker's SIGKILL to the first write sent after it, per partition that the broker owned. */
  readonly killToWritable: Times;
  readonly byFault: Readonly<Record<string, Times>>;
  readonly longestPauseMs: Readonly<Record<string, number>>;
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
): SoakReport {
  const { sent, acked, refused, read, commits } = recorder.checker.counts;
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
    sent,
    acked,
    refused,
    read,
    commits,
    stored: recorder.checker.storedCount(),
    killToWritable: downtime.times(brokerKills),
    byFault: Object.fromEntries(downtime.kinds().map((kind) => [kind, downtime.times([kind])])),
    longestPauseMs: downtime.longestPausesMs(),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, load ${load}, node ${process.versions.node}`,
  };
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
    `  ${report.sent} records sent, ${report.acked} acknowledged, ${report.refused} refused, ${report.stored} stored, ${report.read} read, ${report.commits} commits`,
    '  to writable        samples       p50       p99   longest',
    line('SIGKILL of brokers', report.killToWritable),
    ...Object.entries(report.byFault).map(([kind, times]) => line(kind, times)),
    `  longest pause of a partition, by the fault before it: ${Object.entries(report.longestPauseMs)
      .map(([kind, ms]) => `${kind} ${ms} ms`)
      .join(', ')}`,
  ];
  for (const { name, what } of anomalies) lines.push(`  ANOMALY ${name}: ${what}`);
  lines.push(anomalies.length === 0 ? 'soak: nothing lost, doubled, out of order or invented' : 'soak: FAILED');
  return lines.join('\n');
}
