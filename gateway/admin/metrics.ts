/**
 * Metrics for Prometheus, read from what the parts know at the moment of the scrape: nothing is counted twice, and the data
 * path does not know of it. Labels are bounded: the oldest clusters have their own, the rest is summed.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { ClusterView, Usage } from '../../tenancy/tenancy.ts';
import type { AdminContext } from './options.ts';
import { placedPartitions } from './routes/brokers.ts';

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

const brokerStates = ['starting', 'serving', 'draining', 'fenced', 'closed'] as const;

export function createMetrics(admin: AdminContext): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const trafficCounters = [
    ['headgate_produced_bytes_total', 'Bytes of record batches that were stored.', (u: Usage) => u.producedBytes],
    ['headgate_produced_records_total', 'Records that were stored.', (u: Usage) => u.producedRecords],
    ['headgate_fetched_bytes_total', 'Bytes of record batches that were read.', (u: Usage) => u.fetchedBytes],
    ['headgate_fetched_records_total', 'Records that were read.', (u: Usage) => u.fetchedRecords],
  ] as const;
  for (const [name, help, valueOf] of trafficCounters) {
    clusterCounter(registry, admin, name, help, [], (usage) => [[[], valueOf(usage)]]);
  }
  const throttledHelp = 'Seconds that clients were held back, by the limit that asked for it.';
  clusterCounter(registry, admin, 'headgate_throttled_seconds_total', throttledHelp, ['quota'], (usage) =>
    Object.entries(usage.throttledMs).map(([quota, ms]) => [[quota], (ms ?? 0) / 1000]),
  );
  clusterGauges(registry, admin);
  fleetGauges(registry, admin);
  damageGauge(registry, admin);
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

/** The label of each cluster, oldest first, so that a label once given keeps its meaning. */
function labelled({ context, limits }: AdminContext): [label: string, cluster: ClusterView][] {
  const clusters = [...context.tenancy.clusters()].sort((a, b) => a.createdAtMs - b.createdAtMs);
  return clusters.map((cluster, i) => [i < limits.metricsClustersMax ? cluster.clusterId : 'other', cluster]);
}

function clusterCounter(
  registry: Registry,
  admin: AdminContext,
  name: string,
  help: string,
  more: readonly string[],
  samples: (usage: Usage) => readonly (readonly [labels: readonly string[], value: number])[],
): void {
  new Counter({
    name,
    help,
    labelNames: ['cluster', ...more],
    registers: [registry],
    collect() {
      this.reset();
      for (const [label, { clusterId }] of labelled(admin)) {
        for (const [labels, value] of samples(admin.context.tenancy.usage(clusterId)))
          this.labels(label, ...labels).inc(value);
      }
    },
  });
}

function clusterGauges(registry: Registry, admin: AdminContext): void {
  const gauges = [
    ['headgate_connections', 'Open connections of a cluster.', (k: ClusterView) => k.usage.connections],
    ['headgate_topics', 'Topics of a cluster.', (k: ClusterView) => k.usage.topics],
    ['headgate_cluster_partitions', 'Partitions of a cluster.', (k: ClusterView) => k.usage.partitions],
  ] as const;
  for (const [name, help, valueOf] of gauges) {
    new Gauge({
      name,
      help,
      labelNames: ['cluster'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [label, cluster] of labelled(admin)) this.labels(label).inc(valueOf(cluster));
      },
    });
  }
}

function damageGauge(registry: Registry, { fleet }: AdminContext): void {
  new Gauge({
    name: 'headgate_segment_damage',
    help: 'Places in the segment store that are known to be damaged.',
    registers: [registry],
    collect() {
      this.set(fleet.damage().length);
    },
  });
}

function fleetGauges(registry: Registry, { fleet, context, ready }: AdminContext): void {
  const registers = [registry];
  new Gauge({
    name: 'headgate_brokers',
    help: 'Brokers by state.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of brokerStates) this.labels(state).set(0);
      for (const { state } of fleet.brokers()) this.labels(state).inc();
    },
  });
  new Gauge({
    name: 'headgate_broker_partitions',
    help: 'Partitions that a broker owns.',
    labelNames: ['broker', 'zone'],
    registers,
    collect() {
      this.reset();
      for (const { brokerId, zone, partitions } of fleet.brokers()) this.labels(String(brokerId), zone).set(partitions);
    },
  });
  new Gauge({
    name: 'headgate_brokers_wanted',
    help: 'Brokers that should run, by the last decision about the size of the fleet.',
    registers,
    collect() {
      this.set(fleet.scaling()?.brokers ?? Number.NaN);
    },
  });
  new Gauge({
    name: 'headgate_fleet_used_ratio',
    help: 'Used of the capacity of the brokers that should run.',
    labelNames: ['dimension'],
    registers,
    collect() {
      this.reset();
      for (const [dimension, share] of Object.entries(fleet.scaling()?.shares ?? {})) this.labels(dimension).set(share);
    },
  });
  new Gauge({
    name: 'headgate_partitions_without_owner',
    help: 'Partitions that no broker owns at the moment.',
    registers,
    collect() {
      let orphans = 0;
      for (const { entry } of placedPartitions(context)) if (entry.brokerId < 0) orphans++;
      this.set(orphans);
    },
  });
  new Gauge({
    name: 'headgate_ready',
    help: '1 while the doors can serve.',
    registers,
    collect() {
      this.set(ready() ? 1 : 0);
    },
  });
  const events = new Counter({
    name: 'headgate_engine_events_total',
    help: 'Decisions of the engine by kind.',
    labelNames: ['kind'],
    registers,
  });
  for (const { kind } of fleet.events()) events.labels(kind).inc();
  fleet.onEvent(({ kind }) => events.labels(kind).inc());
}
