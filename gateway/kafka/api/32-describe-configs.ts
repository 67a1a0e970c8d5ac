/**
 * DescribeConfigs (key 32): v1-v4. Topics: every config that is enforced, with its source. Brokers: a small read-only set
 * of what the cluster does. Other resources are refused (42).
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../../engine/protocol/messages/32-describe-configs.ts';
import { topicNameFault } from '../../../tenancy/naming.ts';
import { findTopic, servingCluster } from '../../operations/topics.ts';
import { nodeCount } from '../advertised.ts';
import { api, type Call } from '../api.ts';
import { firstOfEach } from '../asked-once.ts';
import {
  brokerConfigEntries,
  type ConfigOptions,
  resourceType,
  throttleEntries,
  topicConfigEntries,
} from '../config-view.ts';

type Resource = DescribeConfigsRequest['resources'][number];
type Result = DescribeConfigsResponse['results'][number];

export const describeConfigs = api(
  32,
  { from: 1, to: 4 },
  (call, request) => ({
    throttleTimeMs: 0,
    results: firstOfEach(request.resources, (one) => `${one.resourceType} ${one.resourceName}`).map((resource) =>
      describe(call, resource, {
        keys: resource.configurationKeys,
        synonyms: request.includeSynonyms,
        documentation: request.includeDocumentation,
      }),
    ),
  }),
  (request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    results: request.resources.map((resource) => result(resource, code, message, [])),
  }),
);

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
    // Kafka's name for what holds for all brokers unless one says otherwise.
    if (name === '') return result(resource, errorCode.none, null, throttleEntries(cluster, name, options));
    const nodeId = Number(name);
    if (!Number.isInteger(nodeId) || nodeId < 1 || nodeId > nodeCount) {
      return result(resource, errorCode.invalidRequest, `There is no broker '${name}'.`, []);
    }
    return result(resource, errorCode.none, null, brokerConfigEntries(cluster, nodeId, options));
  }
  return result(resource, errorCode.invalidRequest, `Configs of resource type ${type} are not served.`, []);
}

function result(
  { resourceType: type, resourceName }: Resource,
  code: number,
  errorMessage: string | null,
  configs: Result['configs'],
): Result {
  return { errorCode: code, errorMessage, resourceType: type, resourceName, configs };
}
