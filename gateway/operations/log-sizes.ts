/** How many bytes a topic's records take, per partition, as the owners of its logs report. */
import type { TopicEntry } from '../../engine/engine.ts';
import type { GatewayContext } from '../context.ts';

/** In the order of the topic's partitions; null for a log whose owner does not answer for as long as requests are held. */
export async function logSizesBytes({ engine }: GatewayContext, topic: TopicEntry): Promise<(number | null)[]> {
  const indexes = topic.partitions.map(({ index }) => index);
  const { results } = await engine.partitionRequest(35, { topics: [{ topic: topic.name, partitions: indexes }] });
  const sizes = new Map<number, number>();
  for (const { topics } of results) {
    for (const { partitions } of topics)
      for (const each of partitions) sizes.set(each.partitionIndex, each.partitionSize);
  }
  return indexes.map((index) => sizes.get(index) ?? null);
}
