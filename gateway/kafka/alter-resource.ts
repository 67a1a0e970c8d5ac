/** One resource of AlterConfigs and IncrementalAlterConfigs: topics are changed, everything else is refused. */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { topicConfigFault, topicConfigs } from '../../engine/topic-configs.ts';
import type { TopicEntry } from '../../engine/engine.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { NotFound } from '../../tenancy/failures.ts';
import { stripNames } from '../../tenancy/naming.ts';
import { alterConfigs, findTopic } from '../operations/topics.ts';
import type { Call } from './api.ts';
import { attempt } from './change-topics.ts';
import { resourceType } from './config-view.ts';

export interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

export interface ResourceAnswer {
  errorCode: number;
  errorMessage: string | null;
  resourceType: number;
  resourceName: string;
}

export function resourceAnswer(
  { resourceType: type, resourceName }: Resource,
  code: number,
  errorMessage: string | null,
): ResourceAnswer {
  return { errorCode: code, errorMessage, resourceType: type, resourceName };
}

/** `changesOf` gives the values to set, null for back to the default; it may throw InvalidRequest. */
export async function alterResource(
  call: Call,
  resource: Resource,
  validateOnly: boolean,
  changesOf: (topic: TopicEntry) => Readonly<Record<string, string | null>>,
): Promise<ResourceAnswer> {
  const { context, principal } = call;
  if (resource.resourceType !== resourceType.topic) {
    const code = resource.resourceType === resourceType.broker ? errorCode.policyViolation : errorCode.invalidRequest;
    return resourceAnswer(resource, code, 'Only configs of topics can be changed.');
  }
  const refused = await attempt(call, async () => {
    const topic = findTopic(context, principal, resource.resourceName);
    if (!topic) throw new NotFound('topic', resource.resourceName);
    const changes = changesOf(topic);
    for (const [name, value] of Object.entries(changes)) check(name, value);
    if (!validateOnly) await alterConfigs(context, principal, resource.resourceName, changes);
  });
  if (!refused) return resourceAnswer(resource, errorCode.none, null);
  return resourceAnswer(resource, refused.errorCode, stripNames(principal.clusterId, refused.message));
}

function check(name: string, value: string | null): void {
  const isKnown = topicConfigs.some((config) => config.name === name);
  const fault = value === null && isKnown ? undefined : topicConfigFault(name, value ?? '');
  if (fault) throw new InvalidRequest(`configs.${name}`, fault);
}
