/** Metrics whose values are taken at the moment of a scrape. A series that is not named then is removed. */
import { Counter, Gauge, type Metric, type Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;

export function gauge(
  registry: Registry,
  name: string,
  help: string,
  samples: () => Iterable<readonly [labels: Labels, value: number]>,
  labelNames: readonly string[] = [],
): void {
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of samples()) this.set(labels, value);
    },
  });
}

export function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  samples: () => Iterable<readonly [labels: readonly string[], value: number]>,
): void {
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of samples()) this.labels(...labels).inc(value);
    },
  });
}

/** `samples`: counts per bucket, not cumulative, one more than there are bounds; and the sum. */
export function histogram(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  bounds: readonly number[],
  samples: () => Iterable<readonly [labels: readonly string[], counts: ArrayLike<number>, sum: number]>,
): void {
  const values = (): Sample[] =>
    Array.from(samples(), ([labels, counts, sum]) => {
      const named = Object.fromEntries(labelNames.map((label, i) => [label, labels[i]!]));
      let count = 0;
      const buckets = Array.from(counts, (each, i): Sample => {
        count += each;
        return { metricName: `${name}_bucket`, labels: { ...named, le: bounds[i] ?? '+Inf' }, value: count };
      });
      const total = { metricName: `${name}_count`, labels: named, value: count };
      return [...buckets, { metricName: `${name}_sum`, labels: named, value: sum }, total];
    }).flat();
  // prom-client's own histogram counts one observation at a time, and cannot be filled at a scrape.
  const metric = { name, help, type: 'histogram', aggregator: 'sum' };
  const collected = { name, get: () => Promise.resolve({ ...metric, values: values() }), reset: () => undefined };
  registry.registerMetric(collected as unknown as Metric);
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}
