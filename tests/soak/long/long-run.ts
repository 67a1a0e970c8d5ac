/**
 * A whole installation under steady mixed load with retention on, for as long as one likes: does what it holds stay what it
 * is? It ends by itself, and judges memory and open files of every process, the disk, and the gateway's event loop.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Instance } from '../../../bin/demo/instance.ts';
import { type Flatness, flatnessOf } from './flatness.ts';
import { runLoad, topic } from './load.ts';
import { plotAll } from './plot.ts';
import { Sampler, type Series } from './sampler.ts';

export interface LongRunOptions {
  /** The compiled bin/main.js. */
  readonly program: string;
  readonly minutes: number;
  readonly brokers: number;
  readonly partitions: number;
  /** Of each of the three writers. */
  readonly bytesPerSecond: number;
  /** Where report, samples and plot go. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** Retention looks every minute, so what a partition holds is steady after two or three. */
const retentionBytes = 16 * 1024 * 1024;
const warmUpShare = 1 / 3;
const warmUpSecondsMax = 600;
const samplesMax = 400;
const sampleMsMin = 2_000;
const clientsWaitMsMax = 20_000;

export interface Judged extends Series {
  readonly flatness: Flatness;
}

/** Resolves with what grew; nothing is as it should be. */
export async function longRun(options: LongRunOptions): Promise<Judged[]> {
  const { program, minutes, brokers, partitions, say } = options;
  const flags = ['--brokers', String(brokers), '--quota-profile', 'unlimited'];
  const instance = await Instance.start({ program, flags });
  const stop = new AbortController();
  const counts = { written: 0, read: 0, failures: {} as Record<string, number> };
  try {
    const { clusterId, keyId, apiKey } = await instance.tenant('long-run');
    const configs = { 'retention.bytes': String(retentionBytes) };
    await instance.admin('POST', `/clusters/${clusterId}/topics`, { name: topic, partitions, configs });
    const { signal } = stop;
    const load = runLoad({
      instance,
      keyId,
      apiKey,
      partitions,
      bytesPerSecond: options.bytesPerSecond,
      signal,
      counts,
    });
    const sampler = new Sampler(instance);
    const endMs = performance.now() + minutes * 60_000;
    const sampleMs = Math.max(sampleMsMin, (minutes * 60_000) / samplesMax);
    for (let next = performance.now(); next < endMs; next += sampleMs) {
      await sleep(Math.max(0, next - performance.now()));
      await sampler.take();
      if (!instance.isRunning)
        throw new Error(`the installation ended by itself:\n${instance.errors.slice(-20).join('\n')}`);
    }
    stop.abort();
    await Promise.race([load, sleep(clientsWaitMsMax)]);
    say(`${mebibytes(counts.written)} MiB written, ${mebibytes(counts.read)} MiB read`);
    for (const [reason, count] of Object.entries(counts.failures)) say(`${count} failures of clients: ${reason}`);
    return writeReport(options, sampler.series, counts);
  } finally {
    stop.abort();
    await instance.remove();
  }
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

function writeReport(options: LongRunOptions, series: readonly Series[], counts: object): Judged[] {
  const { minutes, folder, say } = options;
  const fromSeconds = Math.min(warmUpSecondsMax, minutes * 60 * warmUpShare);
  const judged = series.map((one) => ({ ...one, flatness: flatnessOf(one.samples, fromSeconds, one.allowance) }));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'long-run.svg'), plotAll(judged, fromSeconds));
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? ''}, load ${loadavg()
    .map((l) => l.toFixed(1))
    .join(' ')}`;
  const report = { date: new Date().toISOString(), machine, ...options, counts, fromSeconds, series: judged };
  writeFileSync(join(folder, 'long-run.json'), `${JSON.stringify(report, undefined, 1)}\n`);
  for (const { name, unit, flatness } of judged) {
    const { mean, max, slopePerHour, growth, allowed, isFlat } = flatness;
    const figures = `mean ${mean.toFixed(1)}, most ${max.toFixed(1)}, ${slopePerHour.toFixed(1)} ${unit} an hour`;
    say(`${isFlat ? 'flat ' : 'GROWS'} ${name}: ${figures}; ${growth.toFixed(1)} of ${allowed.toFixed(1)} allowed`);
  }
  say(`plot and samples: ${folder}`);
  return judged.filter(({ flatness }) => !flatness.isFlat);
}
