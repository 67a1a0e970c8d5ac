/**
 * One resource of AlterConfigs and IncrementalAlterConfigs: topics are changed, everything else is refused. Of brokers
 * what is not set may be taken back: kafka-reassign-partitions does so with its throttles when it looks for moves.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { topicConfigFault } from '../../engine/topic-configs.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { NotFound } from '../../tenancy/failures.ts';
import { stripNames, topicNameFault } from '../../tenancy/naming.ts';
import { alterConfigs, findTopic } from '../operations/topics.ts';
import type { Call } from './api.ts';
import { attempt, doublesIn } from './change-topics.ts';
import { resourceType } from './config-view.ts';

const onlyTopics = 'Only configs of topics can be changed.';

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

export interface ConfigChange {
  readonly name: string;
  /** null: back to the default. */
  readonly value: string | null;
}

export interface AlterOptions {
  readonly validateOnly: boolean;
  /** Configs that are not named go back to their defaults. */
  readonly replacesAll: boolean;
}

/** `present`: what is set on the topic; nothing when there is no such topic. */
type ChangesOf<C> = (configs: readonly C[], present: Readonly<Record<string, string>>) => readonly ConfigChange[];

type Asked<C> = Resource & { readonly configs: readonly C[] };

/** One after the other. A resource that is named twice is changed by neither. */
export async function alterResources<C extends { readonly name: string }>(
  call: Call,
  resources: readonly Asked<C>[],
  options: AlterOptions,
  changesOf: ChangesOf<C>,
): Promise<ResourceAnswer[]> {
  const keyOf = (resource: Resource): string => `${resource.resourceType} ${resource.resourceName}`;
  const doubles = doublesIn(resources.map(keyOf));
  const answers: ResourceAnswer[] = [];
  for (const resource of resources) {
    answers.push(
      doubles.has(keyOf(resource))
        ? resourceAnswer(resource, errorCode.invalidRequest, 'The resource is named twice in the request.')
        : await alterResource(call, resource, options, changesOf),
    );
  }
  return answers;
}

/**
 * Faults are looked for in Kafka's order: a config that is named twice and what else is wrong with the request as such
 * (`changesOf` may throw InvalidRequest), the topic's name, the values, and at last whether there is such a topic.
 */
async function alterResource<C extends { readonly name: string }>(
  call: Call,
  resource: Asked<C>,
  { validateOnly, replacesAll }: AlterOptions,
  changesOf: ChangesOf<C>,
): Promise<ResourceAnswer> {
  const { context, principal } = call;
  const { resourceName: name, configs } = resource;
  if (resource.resourceType === resourceType.broker) {
    const asked: ConfigChange[] = [];
    const refused = await attempt(call, () => void asked.push(...changesOf(configs, {})));
    if (!refused && asked.every(({ value }) => value === null)) return resourceAnswer(resource, errorCode.none, null);
    return resourceAnswer(resource, errorCode.policyViolation, onlyTopics);
  }
  if (resource.resourceType !== resourceType.topic)
    return resourceAnswer(resource, errorCode.invalidRequest, onlyTopics);
  const refused = await attempt(call, async () => {
    const [double] = doublesIn(configs.map((config) => config.name));
    if (double !== undefined) throw new InvalidRequest('configs', `Config ${double} is changed twice.`);
    const topic = findTopic(context, principal, name);
    const asked = changesOf(configs, topic?.configs ?? {});
    const nameFault = topicNameFault(name);
    // Kafka has one answer for the empty name, which elsewhere means a default for all topics, and one for the others.
    if (nameFault !== undefined) throw new InvalidRequest(name === '' ? 'resourceName' : 'name', nameFault);
    for (const change of asked) check(change);
    if (!topic) throw new NotFound('topic', name);
    const changes: Record<string, string | null> = {};
    if (replacesAll) for (const config of Object.keys(topic.configs)) changes[config] = null;
    for (const change of asked) changes[change.name] = change.value;
    if (!validateOnly) await alterConfigs(context, principal, name, changes);
  });
  if (!refused) return resourceAnswer(resource, errorCode.none, null);
  return resourceAnswer(resource, refused.errorCode, stripNames(principal.clusterId, refused.message));
}

function check({ name, value }: ConfigChange): void {
  // What is not set can be taken back, whatever its name.
  const fault = value === null ? undefined : topicConfigFault(name, value);
  if (fault) throw new InvalidRequest(`configs.${name}`, fault);
}
