/** A few faults of each kind that brokers know, drawn from a fixed seed: the harness itself, and the shortest of soaks. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runSoak } from './soak.ts';

const program = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist', 'bin', 'main.js');

it('loses, duplicates and invents nothing while brokers die', { timeout: 300_000 }, async () => {
  const lines: string[] = [];
  const { report, anomalies, log } = await runSoak({
    program,
    seed: 5,
    kills: 4,
    brokers: 3,
    partitions: 6,
    paceMs: 40,
    pauseMsMax: 500,
    stuckMs: 120_000,
    say: (line) => lines.push(line),
  });
  expect(anomalies, log.slice(-50).join('\n')).toEqual([]);
  expect(report.stored).toBeGreaterThanOrEqual(report.acked);
  expect(report.read).toBeGreaterThan(report.stored);
  expect(report.commits).toBeGreaterThan(0);
});
