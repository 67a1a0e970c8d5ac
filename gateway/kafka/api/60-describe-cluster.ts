/**
 * DescribeCluster (key 60): v0-v2. The virtual brokers. Refused: controllers as endpoints (115); clients can reach none.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { DescribeClusterResponse } from '../../../engine/protocol/messages/60-describe-cluster.ts';
import { controllerId } from '../advertised.ts';
import { api, type Call } from '../api.ts';
import { clusterOperations, noOperations } from '../topic-view.ts';

const brokers = 1;

export const describeCluster = api(
  60,
  { from: 0, to: 2 },
  (call, request) => {
    if (request.endpointType !== brokers) {
      return refusal(call, errorCode.unsupportedEndpointType, 'Only brokers can be described.');
    }
    return {
      ...refusal(call, errorCode.none, null),
      controllerId,
      brokers: call.door.advertised.brokers.map(({ nodeId, host, port, rack }) => ({
        brokerId: nodeId,
        host,
        port,
        rack,
        isFenced: false,
      })),
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? clusterOperations : noOperations,
    };
  },
  (_request, { errorCode: code, message }, call) => refusal(call, code, message),
);

function refusal({ principal }: Call, code: number, errorMessage: string | null): DescribeClusterResponse {
  return {
    throttleTimeMs: 0,
    errorCode: code,
    errorMessage,
    endpointType: brokers,
    clusterId: principal.clusterId,
    controllerId: -1,
    brokers: [],
    clusterAuthorizedOperations: noOperations,
  };
}
