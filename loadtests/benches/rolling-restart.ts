/**
 * How clients experience planned moves: lanes write at a fixed pace over HTTP while all brokers are restarted one by one,
 * again and again. A write counts from when it was due, so that a pause shows in every write it delays. The set-up is that
 * of an installation: a spare process stands by, and nothing is pinned (a child inherits the gateway's core, and its
 * program would load there).
 */
import type { Bench, Fact } from '../compare/bench.ts';
import { quantile } from '../compare/statistics.ts';
import { type Headgate, startHeadgate } from '../servers/serve.ts';

const topic = 'rolling';
const partitions = 30;
const lanes = 20;
const paceMs = 200;
const calmSeconds = 5;

export const rollingRestart: Bench = {
  name: 'rolling-restart',
  about: `All three brokers restarted one by one under ${(lanes * 1000) / paceMs} writes per second; goal: no error, no duplicate, p99 at most 100 ms longer`,
  unit: 'restarts',
  async facts(environment) {
    const rounds = Math.max(1, Math.round(20 * environment.scale));
    const headgate = await startHeadgate(environment, ['--durability', 'fsync', '--spare-brokers', '1'], false);
    try {
      await headgate.topic(topic, partitions);
      const writers = new Writers(headgate);
      await settled(1);
      writers.take();
      await settled(calmSeconds);
      const calm = writers.take();
      const during: number[] = [];
      const seconds: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const begin = performance.now();
        await headgate.instance.admin('POST', '/fleet/restart');
        seconds.push((performance.now() - begin) / 1000);
        const latencies = writers.take();
        during.push(...latencies);
        environment.log(
          `round ${round + 1}/${rounds}: ${seconds.at(-1)!.toFixed(1)} s, p99 ${quantile(latencies, 0.99).toFixed(1)} ms, longest ${Math.max(...latencies).toFixed(0)} ms, ${writers.errors} errors`,
        );
      }
      await writers.stop();
      return factsOf(calm, during, seconds, writers, await stored(headgate));
    } finally {
      await headgate.stop();
    }
  },
};

function factsOf(
  calm: readonly number[],
  during: readonly number[],
  seconds: readonly number[],
  { errors, acknowledged }: Writers,
  records: number,
): Fact[] {
  const p99 = quantile(during, 0.99);
  return [
    { name: `p99 of a write, calm`, value: quantile(calm, 0.99), unit: 'ms' },
    { name: `p99 of a write during ${seconds.length} rolling restarts`, value: p99, unit: 'ms' },
    { name: 'added to p99', value: p99 - quantile(calm, 0.99), unit: 'ms' },
    { name: 'p99.9', value: quantile(during, 0.999), unit: 'ms' },
    { name: 'longest', value: Math.max(...during), unit: 'ms' },
    { name: 'errors', value: errors, unit: '' },
    { name: 'stored more or less often than acknowledged', value: records - acknowledged, unit: 'records' },
    { name: 'one rolling restart, median', value: quantile(seconds, 0.5), unit: 's' },
  ];
}

class Writers {
  acknowledged = 0;
  errors = 0;
  #latencies: number[] = [];
  #stopped = false;
  readonly #lanes: Promise<void>[];

  constructor(headgate: Headgate) {
    this.#lanes = Array.from({ length: lanes }, (_, lane) => this.#run(headgate, lane));
  }

  /** Milliseconds of the writes since the last call. */
  take(): number[] {
    const latencies = this.#latencies;
    this.#latencies = [];
    return latencies;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  async #run(headgate: Headgate, lane: number): Promise<void> {
    const headers = { 'content-type': 'application/octet-stream' };
    const startMs = performance.now() + (lane * paceMs) / lanes;
    for (let i = 0; !this.#stopped; i++) {
      const dueMs = startMs + i * paceMs;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      try {
        await headgate.post(`/v1/topics/${topic}`, `${lane}:${i}`, { ...headers, 'record-key': `${lane}:${i}` });
        this.acknowledged++;
      } catch {
        this.errors++;
      }
      this.#latencies.push(performance.now() - Math.max(dueMs, startMs));
    }
  }
}

function settled(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** Records in the topic: each was written under its own key, so any beyond the acknowledged ones are duplicates. */
async function stored({ instance, headers }: Headgate): Promise<number> {
  let count = 0;
  for (let place = 'from=earliest'; ; ) {
    const url = `${instance.http}/v1/topics/${topic}/records?${place}&max_records=10000&format=string`;
    const response = await fetch(url, { headers: { ...headers, accept: 'application/json' } });
    if (!response.ok) throw new Error(`read: ${response.status} ${await response.text()}`);
    const page = (await response.json()) as { records: unknown[]; next: string; up_to_date: boolean };
    count += page.records.length;
    if (page.up_to_date) return count;
    place = `cursor=${page.next}`;
  }
}
