/** Metrics whose values are taken at the moment of a scrape. A series that is not named then is removed. */
import { Counter, Gauge, type Registry } from 'prom-client';

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
