/**
 * The event loop's lag as the library samples it: the time between two samples, which is the interval when there is no lag,
 * and the histogram's extremes when there is no sample. Dashboards expect how late the loop was.
 */
import { Gauge, type Registry } from 'prom-client';

/**
 * The interval between two samples. The library's default of 10 ms wakes an idle gateway a hundred times a second, as often
 * as everything else together.
 */
export const loopLookIntervalMs = 100;

const figures = ['min', 'max', 'mean', 'p50', 'p90', 'p99'] as const;
/** An empty histogram has the largest number as its minimum. */
const believedSecondsMax = 1_000_000;

export function latenessOf(sampledSeconds: number, intervalSeconds: number): number {
  const isSample = Number.isFinite(sampledSeconds) && sampledSeconds < believedSecondsMax;
  return isSample ? Math.max(0, sampledSeconds - intervalSeconds) : 0;
}

/** For a registry that has the library's default metrics. */
export function showLateness(registry: Registry): void {
  for (const figure of figures) showIn(registry, figure, loopLookIntervalMs / 1000);
  showIn(registry, 'stddev', 0);
}

function showIn(registry: Registry, figure: string, intervalSeconds: number): void {
  const gauge = registry.getSingleMetric(`nodejs_eventloop_lag_${figure}_seconds`);
  if (!(gauge instanceof Gauge)) return;
  const set = gauge.set.bind(gauge) as (labels: object, seconds: number) => void;
  gauge.set = (labels: object | number, seconds?: number) => {
    if (typeof labels === 'number') set({}, latenessOf(labels, intervalSeconds));
    else set(labels, latenessOf(seconds ?? 0, intervalSeconds));
  };
}
