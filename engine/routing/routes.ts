/**
 * The data side of the Engine facade: appends, fetches, partition requests and group requests. Each goes to the broker
 * that owns its subject, over one pool of links.
 */
import type { Engine } from '../engine.ts';
import type { Clock } from '../kernel/clock.ts';
import { type Random, systemRandom } from '../kernel/random.ts';
import { LinkPool } from '../link/pool.ts';
import type { Network } from '../ports.ts';
import { AppendRouter } from './append.ts';
import { Changes } from './changes.ts';
import { CoordinatorRouter, type EnsureCoordinatorTopic } from './coordinator-request.ts';
import { FetchRouter } from './fetch.ts';
import type { NearSegments } from './near-segments.ts';
import type { RoutingCatalogue } from './owners.ts';
import { PartitionRouter } from './partition-request.ts';
import { type RoutingSettings, routingDefaults } from './settings.ts';

export interface RoutingParts {
  readonly catalogue: RoutingCatalogue;
  readonly network: Network;
  readonly clock: Clock;
  readonly random?: Random;
  readonly settings?: RoutingSettings;
  /** Given when this process can read the brokers' segments. Closed with the routing. */
  readonly near?: NearSegments;
  /** Creates the cluster's internal topic, or finds it. Called on a group's first request. */
  readonly ensureCoordinatorTopic: EnsureCoordinatorTopic;
}

export type DataSide = Pick<
  Engine,
  'append' | 'fetch' | 'lateFetches' | 'partitionRequest' | 'coordinatorRequest' | 'listGroups'
>;

export interface Routing extends DataSide {
  /** Counters since the start, and current gauges, by name. */
  metrics(): Readonly<Record<string, number>>;
  /** Answers everything held, then closes the links. */
  close(): void;
}

export function createRouting(parts: RoutingParts): Routing {
  const { catalogue, network, clock, random = systemRandom, settings = routingDefaults } = parts;
  const pool = new LinkPool({ network, clock, random }, settings);
  const changes = new Changes(catalogue, pool, clock);
  const fetches = new FetchRouter(catalogue, pool, clock, settings, parts.near);
  const { tail } = fetches;
  const appends = new AppendRouter(catalogue, pool, clock, settings, (...log) => tail.stored(...log));
  const partitions = new PartitionRouter(catalogue, pool, clock, changes, settings, (...log) => tail.told(...log));
  const coordinators = new CoordinatorRouter(catalogue, pool, clock, changes, settings, parts.ensureCoordinatorTopic);
  return {
    append: (append) => appends.append(append),
    fetch: (asked, options) => fetches.fetch(asked, options),
    lateFetches: () => fetches.metrics.late,
    partitionRequest: (key, request) => partitions.request(key, request),
    coordinatorRequest: (key, target, request, client) => coordinators.request(key, target, request, client),
    listGroups: (clusterId, request) => coordinators.listGroups(clusterId, request),
    metrics: () => ({
      ...prefixed('append', { ...appends.metrics, queuedBytes: appends.queuedBytes, routes: appends.routeCount }),
      ...prefixed('fetch', fetches.metrics),
      ...(parts.near ? prefixed('near', parts.near.metrics) : {}),
      ...prefixed('tail', {
        ...tail.metrics,
        outstanding: tail.pollCount,
        keptBytes: tail.keptBytes,
      }),
      ...prefixed('partition', partitions.metrics),
      ...prefixed('coordinator', coordinators.metrics),
    }),
    close() {
      appends.close();
      fetches.close();
      pool.close();
      changes.close();
    },
  };
}

/** 'append' and 'frames' become 'appendFrames'. */
function prefixed(prefix: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [prefix + name[0]!.toUpperCase() + name.slice(1), value]),
  );
}
