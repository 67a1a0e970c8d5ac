/** Names and numbers: those that the model knows, and at times ones that do not exist. */
import type { ApiKey } from '../../engine/protocol/apis.ts';
import { zeroUuid } from '../../engine/kernel/uuid.ts';
import type { Draw } from '../fuzz/draw.ts';
import type { Model, Topic } from './model.ts';
import { type AskStep, fit } from './steps.ts';

export const nobodysId = 'nobody has this'.padEnd(16);
export const topicNames = ['§t0', '§t1', '§t2', '§t3', '§t-long.name_x', '§t-long_name.x'];
export const oddNames = ['', '.', '..', '§é', '§ ', '§a/b', `§${'n'.repeat(250)}`, '§a:b'];

export function ask(key: ApiKey, version: number, body: unknown, connection = 'data'): AskStep {
  return { kind: 'ask', key, version, connection, body: fit(key, version, body) };
}

/** Mostly of a topic that is there. */
export function topicName(draw: Draw, model: Model): string {
  if (draw.chance(88) && model.living.length > 0) return draw.pick(model.living).name;
  return draw.chance(80) ? draw.pick(topicNames) : draw.pick(oddNames);
}

/** The id of the topic, sometimes of an earlier topic of that name, or an unknown one. */
export function topicId(draw: Draw, model: Model, name: string): unknown {
  const topic = model.topic(name);
  if (!topic || draw.chance(4)) return draw.pick([zeroUuid, nobodysId]);
  const turn = topic.turn > 0 && draw.chance(15) ? draw.below(topic.turn) : topic.turn;
  return { ref: `topic id ${name} ${turn}`, otherwise: zeroUuid };
}

export function oddPartition(draw: Draw, topic: Topic | undefined): number {
  if (draw.chance(5)) return draw.pick([-1, 3, 99, 0x7fff_ffff]);
  return draw.below(topic?.partitions ?? 1);
}

/** One or two, none twice. */
export function oddPartitions(draw: Draw, topic: Topic | undefined): number[] {
  return [...new Set(Array.from({ length: 1 + draw.below(2) }, () => oddPartition(draw, topic)))];
}
