/**
 * Metrics for Prometheus, read from the components' state at the moment of the scrape: nothing is counted twice, and the
 * data path does not know of it. Labels are bounded: the oldest clusters have their own, the rest is summed.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { ClusterView, Usage } from '../../tenancy/tenancy.ts';
import { doorNames } from '../connection-room.ts';
import type { AdminContext } from './options.ts';
import { placedPartitions } from './routes/brokers.ts';

export interface Metrics {
  readonly contentType: string;
  /** Metrics of the process and the engine. */
  text(): Promise<string>;
  /** Metrics that name clusters. */
  textOfClusters(): Promise<string>;
}

/**
 * The interval between two samples of the event loop, and so its lag when there is no load. The library's default of 10 ms
 * wakes an idle gateway a hundred times a second, as often as everything else together.
 */
const loopLookIntervalMs = 100;

const brokerStates = ['starting', 'serving', 'draining', 'fenced', 'closed'] as const;

export function createMetrics(admin: AdminContext): Metrics {
  const registry = new Registry();
  const ofClusters = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopLookIntervalMs });
  const trafficCounters = [
    ['headgate_produced_bytes_total', 'Bytes of record batches that were stored.', (u: Usage) => u.producedBytes],
    ['headgate_produced_records_total', 'Records that were stored.', (u: Usage) => u.producedRecords],
    ['headgate_fetched_bytes_total', 'Bytes of record batches that were read.', (u: Usage) => u.fetchedBytes],
    ['headgate_fetched_records_total', 'Records that were read.', (u: Usage) => u.fetchedRecords],
  ] as const;
  for (const [name, help, valueOf] of trafficCounters) {
    clusterCounter(ofClusters, admin, name, help, [], (usage) => [[[], valueOf(usage)]]);
  }
  const throttledHelp = 'Seconds that clients were delayed, by limit.';
  clusterCounter(ofClusters, admin, 'headgate_throttled_seconds_total', throttledHelp, ['quota'], (usage) =>
    Object.entries(usage.throttledMs).map(([quota, ms]) => [[quota], (ms ?? 0) / 1000]),
  );
  clusterGauges(ofClusters, admin);
  lateFetches(registry, admin);
  refusedConnections(registry, admin);
  fleetGauges(registry, admin);
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    textOfClusters: () => ofClusters.metrics(),
  };
}

/** The label of each cluster, oldest first, so that an assigned label keeps its meaning. */
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

function refusedConnections(registry: Registry, { context: { connections } }: AdminContext): void {
  new Counter({
    name: 'headgate_connections_refused_total',
    help: 'Connections that were closed because a door already had as many as it may have.',
    labelNames: ['door'],
    registers: [registry],
    collect() {
      this.reset();
      for (const door of doorNames) this.labels(door).inc(connections[door].refused);
    },
  });
}

/** Sets the values at the moment of the scrape and removes labels that it does not name. */
function gauge(
  registry: Registry,
  name: string,
  help: string,
  samples: () => Iterable<readonly [labels: Readonly<Record<string, string>>, value: number]>,
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
