/**
 * IncrementalAlterConfigs (key 44): v0-v1. SET and DELETE of topic configs, APPEND and SUBTRACT of list configs; of brokers
 * only the rates that throttle moves. Refused: APPEND and SUBTRACT of other configs (40), a config twice for one topic
 * (42), other configs of brokers (44).
 */
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import type { IncrementalAlterConfigsRequest } from '../../../engine/protocol/messages/44-incremental-alter-configs.ts';
import { topicConfigWords } from '../../../engine/topic-configs.ts';
import { api } from '../api.ts';
import { alterResources, type ConfigChange, resourceAnswer } from '../alter-resource.ts';

type Config = IncrementalAlterConfigsRequest['resources'][number]['configs'][number];

const operation = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

export const incrementalAlterConfigs = api(
  44,
  { from: 0, to: 1, beside: 'alone' },
  async (call, { resources, validateOnly }) => ({
    throttleTimeMs: 0,
    responses: await alterResources(call, resources, { validateOnly, replacesAll: false }, changesOf),
  }),
  (request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    responses: request.resources.map((resource) => resourceAnswer(resource, code, message)),
  }),
);

/** Throws InvalidRequest. A missing value is reported before an operation that the config does not support. */
function changesOf(configs: readonly Config[], present: Readonly<Record<string, string>>): ConfigChange[] {
  const empty = configs.find(({ configOperation, value }) => configOperation !== operation.delete && value === null);
  if (empty) throw new InvalidRequest('configs', `Null value not supported for: ${empty.name}`);
  return configs.map(({ name, configOperation, value }) => {
    if (configOperation === operation.delete) return { name, value: null };
    if (configOperation === operation.set) return { name, value };
    return { name, value: listAfter(topicConfigWords(present, name), name, configOperation, value!) };
  });
}

/** `held`: the list's current value, set or default; undefined when the config is not a list. */
function listAfter(held: string[] | undefined, name: string, configOperation: number, value: string): string {
  const parts = value.split(',');
  if (held && configOperation === operation.append) return [...new Set([...held, ...parts])].join(',');
  if (held && configOperation === operation.subtract) return held.filter((part) => !parts.includes(part)).join(',');
  throw new InvalidRequest(`configs.${name}`, `Config ${name} is not a list: it can only be set or deleted.`);
}
