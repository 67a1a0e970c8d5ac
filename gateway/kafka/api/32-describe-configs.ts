/**
 * DescribeConfigs (key 32): v1-v4. Topics: every config that is enforced, with its source. Brokers: a small read-only set
 * that describes the cluster's behaviour. Other resources are refused (42).
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../../engine/protocol/messages/32-describe-configs.ts';
import { topicConfigs } from '../../../engine/topic-configs.ts';
import { topicNameFault } from '../../../tenancy/naming.ts';
import { findTopic, servingCluster } from '../../operations/topics.ts';
import { overTurns } from '../../several-turns.ts';
import { api, type Call } from '../api.ts';
import { firstOfEach } from '../asked-once.ts';
import { isBrokerName } from '../broker-configs.ts';
import {
  brokerConfigEntries,
  type ConfigOptions,
  resourceType,
  throttleEntries,
  topicConfigEntries,
} from '../config-view.ts';
import { requestsForShown } from '../../weight.ts';

type Resource = DescribeConfigsRequest['resources'][number];
type Result = DescribeConfigsResponse['results'][number];

export const describeConfigs = api(
  32,
  { from: 1, to: 4 },
  async (call, request) => {
    const asked = firstOfEach(request.resources, (one) => `${one.resourceType} ${one.resourceName}`);
    call.charge(requestsForShown(asked.length * topicConfigs.length));
    const pieces = {
      unitsOf,
      unitsPerTurnMax: configsPerTurnMax,
      lanes: call.door.largeAnswers,
      turns: call.context.turns,
      clusterId: call.principal.clusterId,
    };
    const results = await overTurns(asked, pieces, (resource) =>
      describe(call, resource, {
        keys: resource.configurationKeys,
        synonyms: request.includeSynonyms,
        documentation: request.includeDocumentation,
      }),
    );
    return { throttleTimeMs: 0, results };
  },
  (request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    results: request.resources.map((resource) => result(resource, code, message, [])),
  }),
);

/** Each config is compared with the requested names. */
function unitsOf({ configurationKeys }: Resource): number {
  return topicConfigs.length + (configurationKeys?.length ?? 0);
}

/** Some 5 ms of work. */
const configsPerTurnMax = 15_000;

function describe({ context, principal }: Call, resource: Resource, options: ConfigOptions): Result {
  const { resourceType: type, resourceName: name } = resource;
  if (type === resourceType.topic) {
    const nameFault = topicNameFault(name);
    if (nameFault !== undefined) return result(resource, errorCode.invalidTopicException, nameFault, []);
    const topic = findTopic(context, principal, name);
    if (!topic) return result(resource, errorCode.unknownTopicOrPartition, null, []);
    return result(resource, errorCode.none, null, topicConfigEntries(topic, options));
  }
  if (type === resourceType.broker) {
    const cluster = servingCluster(context, principal);
    // Kafka's name for the defaults of all brokers.
    if (name === '') return result(resource, errorCode.none, null, throttleEntries(cluster, name, options));
    if (!isBrokerName(name)) {
      return result(resource, errorCode.invalidRequest, `There is no broker '${name}'.`, []);
    }
    return result(resource, errorCode.none, null, brokerConfigEntries(cluster, Number(name), options));
  }
  return result(resource, errorCode.invalidRequest, `Configs of resource type ${type} are not supported.`, []);
}

function result(
  { resourceType: type, resourceName }: Resource,
  code: number,
  errorMessage: string | null,
  configs: Result['configs'],
): Result {
  return { errorCode: code, errorMessage, resourceType: type, resourceName, configs };
}
