/**
 * ElectLeaders (key 43): v0-v2. ELECTION_NOT_NEEDED (84) for each existing partition: the leader that clients see is always
 * the first replica, and a dead owner is replaced without an election. A request for all partitions (null) lists none,
 * because none needs an election.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { ElectLeadersRequest, ElectLeadersResponse } from '../../../engine/protocol/messages/43-elect-leaders.ts';
import { api, type Call } from '../api.ts';
import { partitionFault } from '../partition-request.ts';

type PartitionAnswer = ElectLeadersResponse['replicaElectionResults'][number]['partitionResult'][number];

const electionTypeMax = 1;

export const electLeaders = api(
  43,
  { from: 0, to: 2 },
  (call, request) => {
    const { electionType } = request;
    if (electionType < 0 || electionType > electionTypeMax) {
      return answer(call, request, errorCode.invalidRequest, refused);
    }
    return answer(call, request, errorCode.none, (topic, partitionId) => {
      const fault = partitionFault(call, topic, partitionId);
      return fault === errorCode.none
        ? { partitionId, errorCode: errorCode.electionNotNeeded, errorMessage: 'The preferred replica already leads.' }
        : { partitionId, errorCode: fault, errorMessage: 'There is no such partition.' };
    });
  },
  (request, { errorCode: code, message }, call) =>
    answer(call, request, code, (_topic, partitionId) => ({ partitionId, errorCode: code, errorMessage: message })),
);

function refused(_topic: string, partitionId: number): PartitionAnswer {
  return { partitionId, errorCode: errorCode.invalidRequest, errorMessage: 'There is no such type of election.' };
}

function answer(
  { version }: Call,
  { topicPartitions }: ElectLeadersRequest,
  code: number,
  of: (topic: string, partition: number) => PartitionAnswer,
): ElectLeadersResponse {
  const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map((partition) => of(topic, partition)),
  }));
  // The first version has codes of partitions only.
  return { throttleTimeMs: 0, errorCode: version === 0 ? errorCode.none : code, replicaElectionResults };
}
