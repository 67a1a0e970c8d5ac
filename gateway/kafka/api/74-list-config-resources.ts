/** ListConfigResources (key 74): v0-v1. The tenant's topics and the virtual brokers; v0 asks for client metrics alone: none.
 * Refused: types of resources that Kafka does not know either (35). */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { ListConfigResourcesResponse } from '../../../engine/protocol/messages/74-list-config-resources.ts';
import { topicsOf } from '../../operations/topics.ts';
import { api } from '../api.ts';
import { resourceType } from '../config-view.ts';

type Resource = ListConfigResourcesResponse['configResources'][number];

const firstTypesVersion = 1;
/** Topics, brokers, their loggers, client metrics, groups: there are none of the last three. */
const knownTypes: ReadonlySet<number> = new Set([resourceType.topic, resourceType.broker, 8, 16, 32]);

export const listConfigResources = api(
  74,
  { from: 0, to: 1 },
  ({ context, principal, door, version }, request) => {
    if (request.resourceTypes.some((type) => !knownTypes.has(type))) {
      return { throttleTimeMs: 0, errorCode: errorCode.unsupportedVersion, configResources: [] };
    }
    const configResources: Resource[] = [];
    const isAsked = (type: number): boolean =>
      version >= firstTypesVersion && (request.resourceTypes.length === 0 || request.resourceTypes.includes(type));
    if (isAsked(resourceType.topic)) {
      for (const [name] of topicsOf(context, principal)) {
        configResources.push({ resourceName: name, resourceType: resourceType.topic });
      }
    }
    if (isAsked(resourceType.broker)) {
      for (const { nodeId } of door.advertised.brokers) {
        configResources.push({ resourceName: String(nodeId), resourceType: resourceType.broker });
      }
    }
    return { throttleTimeMs: 0, errorCode: errorCode.none, configResources };
  },
  (_request, { errorCode: code }) => ({ throttleTimeMs: 0, errorCode: code, configResources: [] }),
);
