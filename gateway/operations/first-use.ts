/**
 * A topic's first use creates it. Many clients of an application start at the same moment, so many requests may be the first:
 * they wait for one creation, which alone counts against the cluster's rate of topic changes.
 */
import { AlreadyExists } from '../../tenancy/failures.ts';
import { innerName } from '../../tenancy/naming.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { TopicEntry } from '../../engine/engine.ts';
import type { GatewayContext } from '../context.ts';
import { createTopic, findTopic, servingCluster, shown } from './topics.ts';

type Creation = Promise<TopicEntry | undefined>;

/** By inner name. A creation under way belongs to a request, so there are never more than requests. */
const underWay = new WeakMap<GatewayContext, Map<string, Creation>>();

/**
 * The topic, created on the way when the cluster allows it (as Kafka's auto.create.topics.enable). Undefined: it does
 * not exist and must not be created. Throws what createTopic throws; requests that waited for one creation all fail with it.
 */
export async function findOrCreateTopic(
  context: GatewayContext,
  principal: Principal,
  name: string,
  waitMsMax: number = context.settings.quotaWaitMsMax,
): Promise<TopicEntry | undefined> {
  const found = findTopic(context, principal, name);
  if (found) return found;
  if (!servingCluster(context, principal).autoCreateTopics) return undefined;
  let creations = underWay.get(context);
  if (!creations) underWay.set(context, (creations = new Map()));
  const inner = innerName(principal.clusterId, name);
  const begun = creations.get(inner);
  if (begun) return begun;
  const creation = create(context, principal, name, waitMsMax);
  creations.set(inner, creation);
  try {
    return await creation;
  } finally {
    creations.delete(inner);
  }
}

async function create(context: GatewayContext, principal: Principal, name: string, waitMsMax: number): Creation {
  try {
    return await createTopic(context, principal, { name, configs: {} }, waitMsMax);
  } catch (error) {
    // Created at another gateway, or by request, at the same moment; our catalogue will show it soon.
    if (!(error instanceof AlreadyExists)) throw error;
    await shown(context, () => findTopic(context, principal, name) !== undefined);
    return findTopic(context, principal, name);
  }
}
