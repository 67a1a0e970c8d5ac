/**
 * IncrementalAlterConfigs (key 44): v0-v1. SET and DELETE of topic configs. Refused: APPEND and SUBTRACT (40: no config
 * that is served holds a list of more than one value), a config twice for one topic (42), brokers (44).
 */
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import type { IncrementalAlterConfigsRequest } from '../../../engine/protocol/messages/44-incremental-alter-configs.ts';
import { api } from '../api.ts';
import { alterResource, resourceAnswer, type ResourceAnswer } from '../alter-resource.ts';
import { doublesIn } from '../change-topics.ts';

type Config = IncrementalAlterConfigsRequest['resources'][number]['configs'][number];

const operation = { set: 0, delete: 1 } as const;

export const incrementalAlterConfigs = api(
  44,
  { from: 0, to: 1, beside: 'alone' },
  async (call, request) => {
    const responses: ResourceAnswer[] = [];
    for (const resource of request.resources) {
      responses.push(await alterResource(call, resource, request.validateOnly, () => changesOf(resource.configs)));
    }
    return { throttleTimeMs: 0, responses };
  },
  (request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    responses: request.resources.map((resource) => resourceAnswer(resource, code, message)),
  }),
);

/** Throws InvalidRequest. */
function changesOf(configs: readonly Config[]): Record<string, string | null> {
  const [double] = doublesIn(configs.map(({ name }) => name));
  if (double !== undefined) throw new InvalidRequest('configs', `Config ${double} is changed twice.`);
  return Object.fromEntries(configs.map((config) => [config.name, valueOf(config)]));
}

function valueOf({ name, configOperation, value }: Config): string | null {
  if (configOperation === operation.delete) return null;
  if (configOperation !== operation.set) {
    throw new InvalidRequest(`configs.${name}`, `Config ${name} can be set or deleted, it is no list.`);
  }
  if (value === null) throw new InvalidRequest('configs', `Null value not supported for: ${name}`);
  return value;
}
