/**
 * Metrics for Prometheus, read from the components' state at the moment of the scrape: nothing is counted twice, and the
 * data path does not know of it. Labels are bounded (cluster-labels.ts). Counters begin at 0 with the process and are its
 * own, as Prometheus expects: sums over gateways count nothing twice, and a crash does not make one fall a little, which
 * would read as a reset and count everything again. The control plane shows the totals of a cluster's life.
 */
import { collectDefaultMetrics, Counter, Registry } from 'prom-client';
import type { ClusterView, Usage } from '../../tenancy/tenancy.ts';
import { ClusterLabels } from './cluster-labels.ts';
import { counter, gauge, type Labels } from './collected.ts';
import { doorMetrics } from './door-metrics.ts';
import { openMetricsText, openMetricsType, prefersOpenMetrics } from './open-metrics.ts';
import { loopLookIntervalMs, showLateness } from './loop-lag.ts';
import type { AdminContext } from './options.ts';
import { placedPartitions } from './routes/brokers.ts';
import { Survey } from './survey.ts';
import { surveyMetrics } from './survey-metrics.ts';

export interface Metrics {
  /** `accept`: the header. `withClusters`: also the metrics that name clusters. */
  scrape(accept: string | undefined, withClusters: boolean): Promise<{ readonly type: string; readonly text: string }>;
  close(): void;
}

const brokerStates = ['starting', 'serving', 'draining', 'fenced', 'closed'] as const;

export function createMetrics(admin: AdminContext): Metrics {
  const registry = new Registry();
  const ofClusters = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopLookIntervalMs });
  showLateness(registry);
  const trafficCounters = [
    ['headgate_produced_bytes_total', 'Bytes of record batches that were acknowledged.', (u: Usage) => u.producedBytes],
    [
      'headgate_produced_records_total',
      'Records that were acknowledged; a batch that its producer repeats counts again.',
      (u: Usage) => u.producedRecords,
    ],
    ['headgate_fetched_bytes_total', 'Bytes of record batches that were read.', (u: Usage) => u.fetchedBytes],
    [
      'headgate_fetched_records_total',
      'Records of the batches that were read; a page that ends within a batch counts all of it.',
      (u: Usage) => u.fetchedRecords,
    ],
  ] as const;
  const labels = new ClusterLabels(admin.context.tenancy, admin.limits.metricsClustersMax);
  for (const [name, help, valueOf] of trafficCounters) {
    clusterCounter(ofClusters, labels, name, help, [], (usage) => [[[], valueOf(usage)]]);
  }
  const throttledHelp = 'Seconds by which requests and reads were held back, by limit. What was refused is not in it.';
  clusterCounter(ofClusters, labels, 'headgate_throttled_seconds_total', throttledHelp, ['quota'], (usage) =>
    Object.entries(usage.throttledMs).map(([quota, ms]) => [[quota], (ms ?? 0) / 1000]),
  );
  clusterGauges(ofClusters, labels);
  const survey = new Survey(admin.context, admin.limits);
  surveyMetrics(ofClusters, survey, labels);
  lateFetches(registry, admin);
  doorMetrics(registry, admin);
  fleetGauges(registry, admin);
  return {
    async scrape(accept, withClusters) {
      if (withClusters) {
        survey.want();
        labels.look();
      }
      const registries = withClusters ? [registry, ofClusters] : [registry];
      if (!prefersOpenMetrics(accept)) {
        const texts = await Promise.all(registries.map((each) => each.metrics()));
        return { type: registry.contentType, text: texts.join('') };
      }
      const families = await Promise.all(registries.map((each) => each.getMetricsAsJSON()));
      return { type: openMetricsType, text: openMetricsText(families.flat()) };
    },
    close: () => survey.close(),
  };
}

function clusterCounter(
  registry: Registry,
  labels: ClusterLabels,
  name: string,
  help: string,
  more: readonly string[],
  samples: (usage: Usage) => readonly (readonly [labels: readonly string[], value: number])[],
): void {
  counter(registry, name, help, ['cluster', ...more], () =>
    labels
      .totals()
      .flatMap(([label, usage]) => samples(usage).map(([own, value]) => [[label, ...own], value] as const)),
  );
}

function clusterGauges(registry: Registry, labels: ClusterLabels): void {
  const gauges = [
    [
      'headgate_connections',
      'Open Kafka connections and WebSockets of a cluster.',
      (k: ClusterView) => k.usage.connections,
    ],
    ['headgate_topics', 'Topics of a cluster.', (k: ClusterView) => k.usage.topics],
    ['headgate_cluster_partitions', 'Partitions of a cluster.', (k: ClusterView) => k.usage.partitions],
  ] as const;
  for (const [name, help, valueOf] of gauges) {
    const sums = (): [Labels, number][] => {
      const byLabel = new Map<string, number>();
      for (const [label, cluster] of labels.clusters())
        byLabel.set(label, (byLabel.get(label) ?? 0) + valueOf(cluster));
      return Array.from(byLabel, ([label, sum]) => [{ cluster: label }, sum]);
    };
    gauge(registry, name, help, sums, ['cluster']);
  }
}

function lateFetches(registry: Registry, { context }: AdminContext): void {
  new Counter({
    name: 'headgate_late_fetches_total',
    help: 'Reads that were answered without some partitions, because a broker took too long.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(context.engine.lateFetches());
    },
  });
}

function fleetGauges(registry: Registry, { fleet, context, readiness }: AdminContext): void {
  const brokersIn = (state: string): number => fleet.brokers().filter((broker) => broker.state === state).length;
  const states = () => brokerStates.map((state) => [{ state }, brokersIn(state)] as const);
  gauge(registry, 'headgate_brokers', 'Brokers by state.', states, ['state']);
  const owned = () =>
    fleet.brokers().map(({ brokerId, zone, partitions }) => [{ broker: String(brokerId), zone }, partitions] as const);
  gauge(registry, 'headgate_broker_partitions', 'Partitions that a broker owns.', owned, ['broker', 'zone']);
  const wantedHelp = 'Brokers that should run, by the last decision about the size of the fleet.';
  gauge(registry, 'headgate_brokers_wanted', wantedHelp, () => [[{}, fleet.scaling()?.brokers ?? Number.NaN]]);
  const used = () =>
    Object.entries(fleet.scaling()?.shares ?? {}).map(([dimension, share]) => [{ dimension }, share] as const);
  const usedHelp = 'Part of the capacity of the brokers that is used, by dimension; 1 is all of it.';
  gauge(registry, 'headgate_fleet_used_ratio', usedHelp, used, ['dimension']);
  const orphans = (): number => {
    let count = 0;
    for (const { entry } of placedPartitions(context)) if (entry.brokerId < 0) count++;
    return count;
  };
  const orphansHelp = 'Partitions that no broker owns at the moment.';
  gauge(registry, 'headgate_partitions_without_owner', orphansHelp, () => [[{}, orphans()]]);
  const damageHelp = 'Places in the segment store that are known to be damaged.';
  gauge(registry, 'headgate_segment_damage', damageHelp, () => [[{}, fleet.damage().length]]);
  gauge(registry, 'headgate_ready', '1 while the doors can serve.', () => [[{}, readiness.isReady() ? 1 : 0]]);
  eventCounter(registry, fleet);
}

function eventCounter(registry: Registry, fleet: AdminContext['fleet']): void {
  const events = new Counter({
    name: 'headgate_engine_events_total',
    help: 'Decisions of the engine, by kind.',
    labelNames: ['kind'],
    registers: [registry],
  });
  for (const { kind } of fleet.events()) events.labels(kind).inc();
  fleet.onEvent(({ kind }) => events.labels(kind).inc());
}
