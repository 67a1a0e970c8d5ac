/** Assembles the engine's facade: data from the routing, decisions from a controller or from its stand-in. */
import type { StoreCatalogue } from '../catalogue.ts';
import type { Engine, EngineDecisions, TopicEntry } from '../engine.ts';
import type { StoreOp } from '../ports.ts';
import { coordinatorTopic } from './coordinator-seat.ts';
import type { Routing } from './routes.ts';

export function wholeEngine(catalogue: StoreCatalogue, routing: Routing, controller: EngineDecisions): Engine {
  return {
    catalogue,
    append: (append) => routing.append(append),
    fetch: (partitions, options) => routing.fetch(partitions, options),
    lateFetches: () => routing.lateFetches(),
    partitionRequest: (key, request) => routing.partitionRequest(key, request),
    coordinatorRequest: (key, target, request, client) => routing.coordinatorRequest(key, target, request, client),
    listGroups: (clusterId, request) => routing.listGroups(clusterId, request),
    createTopic: (spec, guard) => controller.createTopic(spec, guard),
    deleteTopic: (name, guard, topicId) => controller.deleteTopic(name, guard, topicId),
    createPartitions: (name, total, guard, replicas) => controller.createPartitions(name, total, guard, replicas),
    alterReplicas: (name, alter) => controller.alterReplicas(name, alter),
    alterConfigs: (name, alter) => controller.alterConfigs(name, alter),
    allocateProducerId: () => controller.allocateProducerId(),
    brokers: () => controller.brokers(),
    controllers: () => controller.controllers(),
    shards: () => controller.shards(),
    events: () => controller.events(),
    onEvent: (listener) => controller.onEvent(listener),
  };
}

interface CoordinatorTopics {
  readonly createTopic: Engine['createTopic'];
  readonly catalogue: Pick<StoreCatalogue, 'byName'>;
  readonly partitions: number;
  /** Part of the transaction that creates the topic. */
  readonly guard: (clusterId: string) => Promise<readonly StoreOp[]>;
}

/**
 * The first to need the topic creates it; losing that race is success. `partitions`: how many brokers can share its
 * groups. `guard` refuses when the cluster is being deleted or is gone: otherwise nobody would ever delete the topic.
 */
export async function ensureCoordinatorTopic(
  { createTopic, catalogue, partitions, guard }: CoordinatorTopics,
  clusterId: string,
): Promise<TopicEntry> {
  const name = coordinatorTopic(clusterId);
  const known = catalogue.byName(name);
  if (known) return known;
  try {
    return await createTopic({ name, clusterId, partitions, configs: { 'retention.ms': '-1' } }, () =>
      guard(clusterId),
    );
  } catch (error) {
    const made = catalogue.byName(name);
    if (!made) throw error;
    return made;
  }
}
