/**
 * Removes every topic of a cluster that is being deleted, including internal ones. The tenant's operations refuse a cluster
 * in that state, so this calls the engine directly. The counters are still updated in the same transaction, because
 * deletion waits until they are 0.
 */
import type { TopicEntry, TopicGuard } from '../../engine/engine.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import { StoreConflict } from '../../engine/ports.ts';
import { tenantName } from '../../tenancy/naming.ts';
import type { GatewayContext } from '../context.ts';

const attemptsMax = 20;

/** Throws what the engine and the store throw; a topic that someone else deletes meanwhile counts as deleted. */
export async function deleteTopicsOf(context: GatewayContext, clusterId: string): Promise<void> {
  // Copy the list first: deleted topics leave the catalogue during the loop.
  const topics = Array.from(context.engine.catalogue.ofCluster(clusterId));
  for (const topic of topics) await deleteOne(context, clusterId, topic);
}

async function deleteOne({ engine, tenancy }: GatewayContext, clusterId: string, topic: TopicEntry): Promise<void> {
  const name = tenantName(clusterId, topic.name);
  const guard: TopicGuard = (change) =>
    name === undefined
      ? tenancy.counts.reserveInternal(clusterId, -1)
      : tenancy.counts.reserve(clusterId, change, name);
  for (let attempt = 1; ; attempt++) {
    try {
      await engine.deleteTopic(topic.name, guard);
      return;
    } catch (error) {
      if (error instanceof Failure && error.code === 'not-found') return;
      if (!(error instanceof StoreConflict) || attempt === attemptsMax) throw error;
    }
  }
}
