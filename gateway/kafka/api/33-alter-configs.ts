/**
 * AlterConfigs (key 33): v0-v2. Replaces all configs of a topic: those that are not named are reset to their defaults. Of
 * brokers it sets only the rates that throttle moves. Refused: other configs of brokers (44) and other resources (42).
 */
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import { api } from '../api.ts';
import { alterResources, resourceAnswer } from '../alter-resource.ts';

export const alterConfigs = api(
  33,
  { from: 0, to: 2, beside: 'alone' },
  async (call, { resources, validateOnly }) => ({
    throttleTimeMs: 0,
    responses: await alterResources(call, resources, { validateOnly, replacesAll: true }, (configs) => {
      const empty = configs.find(({ value }) => value === null);
      if (empty) throw new InvalidRequest('configs', `Null value not supported for: ${empty.name}`);
      return configs;
    }),
  }),
  (request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    responses: request.resources.map((resource) => resourceAnswer(resource, code, message)),
  }),
);
