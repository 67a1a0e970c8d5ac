/**
 * AlterPartitionReassignments (key 45): v0-v1. The replicas that clients see are virtual (assignments.ts), so they change
 * at once and no reassignment is ever in progress: there is none to cancel (85). Refused: brokers that do not exist, or one
 * named twice (39); another number of replicas where the request says that it stays the same (38, KIP-860).
 */
import type { AskedReplicas, TopicEntry } from '../../../engine/engine.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../../engine/protocol/messages/45-alter-partition-reassignments.ts';
import { alterReplicas, findTopic } from '../../operations/topics.ts';
import { oneByOne } from '../../several-turns.ts';
import { api, type Call } from '../api.ts';
import { reassigned, reassignmentFault } from '../assignments.ts';
import { attemptInTime, type ChangeTime, changeTime } from '../change-topics.ts';
import type { Refusal } from '../failures.ts';
import { hasPartition } from '../topic-view.ts';

type Asked = AlterPartitionReassignmentsRequest['topics'][number];
type TopicAnswer = AlterPartitionReassignmentsResponse['responses'][number];
type Refused = Pick<Refusal, 'errorCode' | 'message'>;

export const alterPartitionReassignments = api(
  45,
  { from: 0, to: 1, beside: 'alone' },
  async (call, request) => {
    const time = changeTime(call, request.timeoutMs);
    // Each topic is a write of its own.
    call.charge(Math.max(0, request.topics.length - 1));
    const responses = await oneByOne(call.context.clock, request.topics, (topic) =>
      reassign(call, topic, request.allowReplicationFactorChange, time),
    );
    return answer(request, responses);
  },
  (request, { errorCode: code, message }) => {
    const refused = { errorCode: code, message };
    const responses = request.topics.map((topic) => topicAnswer(topic, () => refused));
    return { ...answer(request, responses), errorCode: code, errorMessage: message };
  },
);

/** All changeable partitions of the topic, in one change; for a partition named twice the last request counts. */
async function reassign(call: Call, asked: Asked, mayChangeFactor: boolean, time: ChangeTime): Promise<TopicAnswer> {
  const { context, principal } = call;
  const topic = findTopic(context, principal, asked.name);
  const faults: (Refused | undefined)[] = [];
  const changes = new Map<number, readonly number[]>();
  for (const { partitionIndex, replicas } of asked.partitions) {
    const fault = faultOf(topic, partitionIndex, replicas, mayChangeFactor);
    faults.push(fault);
    if (!fault && replicas) changes.set(partitionIndex, replicas);
  }
  const alter = (present: TopicEntry): AskedReplicas => reassigned(present, changes);
  const refused =
    changes.size > 0
      ? await attemptInTime(call, time, () => alterReplicas(context, principal, asked.name, alter))
      : undefined;
  return topicAnswer(asked, (at) => faults[at] ?? refused);
}

function faultOf(
  topic: TopicEntry | undefined,
  partition: number,
  replicas: readonly number[] | null,
  mayChangeFactor: boolean,
): Refused | undefined {
  if (!topic || !hasPartition(topic, partition)) {
    return { errorCode: errorCode.unknownTopicOrPartition, message: 'There is no such partition.' };
  }
  if (replicas === null) {
    return { errorCode: errorCode.noReassignmentInProgress, message: 'No partition reassignment is in progress.' };
  }
  return reassignmentFault(topic, partition, replicas, mayChangeFactor);
}

/** `of`: indexed by place in the request. */
function topicAnswer({ name, partitions }: Asked, of: (at: number) => Refused | undefined): TopicAnswer {
  return {
    name,
    partitions: partitions.map(({ partitionIndex }, at) => {
      const refused = of(at);
      return {
        partitionIndex,
        errorCode: refused?.errorCode ?? errorCode.none,
        errorMessage: refused?.message ?? null,
      };
    }),
  };
}

function answer(
  { allowReplicationFactorChange }: AlterPartitionReassignmentsRequest,
  responses: TopicAnswer[],
): AlterPartitionReassignmentsResponse {
  return {
    throttleTimeMs: 0,
    allowReplicationFactorChange,
    errorCode: errorCode.none,
    errorMessage: null,
    responses,
  };
}
