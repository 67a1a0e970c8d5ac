/** The topic in the path. */
import type { TopicEntry } from '../../../engine/engine.ts';
import { NotFound } from '../../../tenancy/failures.ts';
import type { Principal } from '../../../tenancy/tenancy.ts';
import type { GatewayContext } from '../../context.ts';
import { findOrCreateTopic } from '../../operations/first-use.ts';
import { findTopic } from '../../operations/topics.ts';
import type { HttpExchange } from '../servers/server.ts';

/** Throws NotFound. */
export function topicOf(context: GatewayContext, principal: Principal, exchange: HttpExchange): TopicEntry {
  const name = exchange.param('topic');
  const topic = findTopic(context, principal, name);
  if (!topic) throw new NotFound('topic', name);
  return topic;
}

/**
 * For writers: creates the topic on first use where the cluster allows it. Throws NotFound and whatever creating throws.
 */
export async function writableTopic(
  context: GatewayContext,
  principal: Principal,
  exchange: HttpExchange,
): Promise<TopicEntry> {
  const name = exchange.param('topic');
  const topic = await findOrCreateTopic(context, principal, name);
  if (!topic) throw new NotFound('topic', name);
  return topic;
}
