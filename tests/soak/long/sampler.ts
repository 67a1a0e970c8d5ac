/** What a running installation costs, read from outside at intervals: per process from /proc, the rest from its metrics. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Instance } from '../../../bin/demo/instance.ts';
import type { Allowance, Sample } from './flatness.ts';

export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly allowance: Allowance;
  readonly samples: Sample[];
}

const MiB = 1024 * 1024;

/**
 * Collected garbage and roll-ups make a sawtooth below all of these bounds; real growth exceeds them within the hour.
 */
const allowances = {
  memory: { share: 0.2, floor: 24 },
  files: { share: 0.2, floor: 10 },
  disk: { share: 0.25, floor: 64 },
  lag: { share: 1, floor: 50 },
} as const;

export class Sampler {
  readonly #instance: Instance;
  readonly #beginMs = performance.now();
  readonly #series = new Map<string, Series>();

  constructor(instance: Instance) {
    this.#instance = instance;
  }

  get series(): Series[] {
    return [...this.#series.values()];
  }

  async take(): Promise<void> {
    const seconds = (performance.now() - this.#beginMs) / 1e3;
    const add = (name: string, unit: string, allowance: Allowance, value: number | undefined): void => {
      if (value === undefined) return;
      let series = this.#series.get(name);
      if (!series) this.#series.set(name, (series = { name, unit, allowance, samples: [] }));
      series.samples.push({ seconds, value });
    };
    const processes: [string, number][] = [['gateway', this.#instance.pid]];
    for (const { brokerId, pid } of await this.#instance.brokers()) processes.push([`broker ${brokerId}`, pid]);
    for (const [name, pid] of processes) {
      add(`${name}, memory`, 'MiB', allowances.memory, memoryBytes(pid) / MiB);
      add(`${name}, open files`, 'files', allowances.files, openFiles(pid));
    }
    add('data folder', 'MiB', allowances.disk, bytesUnder(this.#instance.data) / MiB);
    add('segments', 'MiB', allowances.disk, bytesUnder(join(this.#instance.data, 'segments')) / MiB);
    const lag = await this.#gatewayLagSeconds();
    add('gateway, event loop lag p99', 'ms', allowances.lag, lag === undefined ? undefined : lag * 1e3);
  }

  async #gatewayLagSeconds(): Promise<number | undefined> {
    const { environment } = this.#instance;
    const headers = { authorization: `Bearer ${environment['HEADGATE_ADMIN_KEY']}` };
    const text = await (await fetch(`${environment['HEADGATE_ADMIN']}/metrics`, { headers })).text();
    const found = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  }
}

/** Without what is shared with files: pages of the metadata store's map come and go with the kernel's mood. */
function memoryBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Blocks that are taken, so that a sparse file counts what it holds. */
function bytesUnder(path: string): number {
  try {
    const status = lstatSync(path);
    if (!status.isDirectory()) return status.blocks * 512;
    return readdirSync(path).reduce((sum, name) => sum + bytesUnder(join(path, name)), 0);
  } catch {
    // Removed while we looked.
    return 0;
  }
}
