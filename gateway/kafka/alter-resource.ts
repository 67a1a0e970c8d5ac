/**
 * One resource of AlterConfigs and IncrementalAlterConfigs. Topics can be changed; of brokers, only the rates that throttle
 * moves (broker-configs.ts). Everything else is refused.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { topicConfigFault } from '../../engine/topic-configs.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { NotFound } from '../../tenancy/failures.ts';
import { topicNameFault } from '../../tenancy/naming.ts';
import { alterConfigs, findTopic, servingCluster } from '../operations/topics.ts';
import { oneByOne } from '../several-turns.ts';
import type { Call } from './api.ts';
import { brokerConfigKey, checkBrokerConfig, isBrokerName, setOnBroker, throttleRates } from './broker-configs.ts';
import { attempt, doublesIn } from './change-topics.ts';
import { resourceType } from './config-view.ts';

const onlyTopics = 'Only configs of topics and brokers can be changed.';
const onlyThrottles = `Of a broker, only ${throttleRates.join(', ')} can be set.`;

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
  /** null: reset to the default. */
  readonly value: string | null;
}

export interface AlterOptions {
  readonly validateOnly: boolean;
  /** Configs that are not named are reset to their defaults. */
  readonly replacesAll: boolean;
}

/** `present`: the configs set on the topic; empty when there is no such topic. */
type ChangesOf<C> = (configs: readonly C[], present: Readonly<Record<string, string>>) => readonly ConfigChange[];

type Asked<C> = Resource & { readonly configs: readonly C[] };

/**
 * Applied one after the other and charged one by one, as each is a separate write. A resource named twice is not changed at
 * all.
 */
export async function alterResources<C extends { readonly name: string }>(
  call: Call,
  resources: readonly Asked<C>[],
  options: AlterOptions,
  changesOf: ChangesOf<C>,
): Promise<ResourceAnswer[]> {
  if (!options.validateOnly) call.charge(Math.max(0, resources.length - 1));
  const keyOf = (resource: Resource): string => `${resource.resourceType} ${resource.resourceName}`;
  const doubles = doublesIn(resources.map(keyOf));
  return oneByOne(call.context.clock, resources, (resource) =>
    doubles.has(keyOf(resource))
      ? resourceAnswer(resource, errorCode.invalidRequest, 'The resource is named twice in the request.')
      : alterResource(call, resource, options, changesOf),
  );
}

/**
 * Checks for faults in Kafka's order: a config named twice and other errors of the request as such (`changesOf` may throw
 * InvalidRequest), the topic's name, the values, and last whether the topic exists.
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
    const odd = await attempt(call, () => void asked.push(...changesOf(configs, {})));
    if (odd || asked.some(({ name, value }) => value !== null && !throttleRates.includes(name))) {
      return resourceAnswer(resource, errorCode.policyViolation, onlyThrottles);
    }
    const refused = await attempt(call, () => alterBroker(call, resource, asked, { validateOnly, replacesAll }));
    return resourceAnswer(resource, refused?.errorCode ?? errorCode.none, refused?.message ?? null);
  }
  if (resource.resourceType !== resourceType.topic)
    return resourceAnswer(resource, errorCode.invalidRequest, onlyTopics);
  const refused = await attempt(call, async () => {
    const [double] = doublesIn(configs.map((config) => config.name));
    if (double !== undefined) throw new InvalidRequest('configs', `Config ${double} is changed twice.`);
    const topic = findTopic(context, principal, name);
    const asked = changesOf(configs, topic?.configs ?? {});
    const nameFault = topicNameFault(name);
    // Kafka has one answer for the empty name, which for other resources means a default for all, and one for other invalid
    // names.
    if (nameFault !== undefined) throw new InvalidRequest(name === '' ? 'resourceName' : 'name', nameFault);
    for (const change of asked) check(change);
    if (!topic) throw new NotFound('topic', name);
    if (validateOnly) return;
    // Once more, from the configs as they are in the turn of the change: a list may have grown since.
    await alterConfigs(context, principal, name, (present) => {
      const changes: Record<string, string | null> = {};
      if (replacesAll) for (const config of Object.keys(present)) changes[config] = null;
      for (const change of changesOf(configs, present)) changes[change.name] = change.value;
      return changes;
    });
  });
  if (!refused) return resourceAnswer(resource, errorCode.none, null);
  return resourceAnswer(resource, refused.errorCode, refused.message);
}

/** Changes the virtual broker that the caller's cluster sees; no other cluster shares it. */
async function alterBroker(
  { context, principal }: Call,
  { resourceName: broker }: Resource,
  asked: readonly ConfigChange[],
  { validateOnly, replacesAll }: AlterOptions,
): Promise<void> {
  const [double] = doublesIn(asked.map(({ name }) => name));
  if (double !== undefined) throw new InvalidRequest('configs', `Config ${double} is changed twice.`);
  if (!isBrokerName(broker)) throw new InvalidRequest('resourceName', `There is no broker '${broker}'.`);
  for (const { name, value } of asked) checkBrokerConfig(name, value);
  const present = setOnBroker(servingCluster(context, principal).brokerConfigs, broker);
  const changes: Record<string, string | null> = {};
  if (replacesAll) for (const name of Object.keys(present)) changes[brokerConfigKey(broker, name)] = null;
  for (const { name, value } of asked) {
    // Removing a config that is not set needs no write: tools do so whenever they look for moves.
    if (value !== null || present[name] !== undefined) changes[brokerConfigKey(broker, name)] = value?.trim() ?? null;
  }
  if (validateOnly || Object.keys(changes).length === 0) return;
  await context.tenancy.updateCluster(principal.clusterId, { brokerConfigs: changes });
}

function check({ name, value }: ConfigChange): void {
  // A config that is not set can be removed, whatever its name.
  const fault = value === null ? undefined : topicConfigFault(name, value);
  if (fault) throw new InvalidRequest(`configs.${name}`, fault);
}
