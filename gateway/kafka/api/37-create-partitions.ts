/**
 * CreatePartitions (key 37): v0-v3. Back: gateway/operations/topics.ts. Assignments as in CreateTopics. Refused: fewer
 * partitions than there are (37), a name twice in one request (42).
 */
import type { TopicEntry } from '../../../engine/engine.ts';
import { partitionsPerTopicMax } from '../../../engine/controller/rows/placement.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../../engine/protocol/messages/37-create-partitions.ts';
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import { NotFound } from '../../../tenancy/failures.ts';
import { createPartitions as enlarge, findTopic } from '../../operations/topics.ts';
import { oneByOne } from '../../several-turns.ts';
import { api, type Call } from '../api.ts';
import { firstOfEach } from '../asked-once.ts';
import { replicasOfGrown } from '../assignments.ts';
import { attemptInTime, type ChangeTime, changeTime, doublesIn } from '../change-topics.ts';

type Asked = CreatePartitionsRequest['topics'][number];
type Answer = CreatePartitionsResponse['results'][number];

export const createPartitions = api(
  37,
  { from: 0, to: 3, beside: 'alone' },
  async (call, request) => {
    const doubles = doublesIn(request.topics.map(({ name }) => name));
    const time = changeTime(call, request.timeoutMs);
    const once = firstOfEach(request.topics, ({ name }) => name);
    const results = await oneByOne(call.context.clock, once, (asked) =>
      doubles.has(asked.name)
        ? answer(asked.name, errorCode.invalidRequest, 'The topic is named twice in the request.')
        : change(call, asked, request.validateOnly, time),
    );
    return { throttleTimeMs: 0, results };
  },
  (request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    results: request.topics.map(({ name }) => answer(name, code, message)),
  }),
);

async function change(
  call: Call,
  { name, count, assignments }: Asked,
  validateOnly: boolean,
  time: ChangeTime,
): Promise<Answer> {
  const { context, principal } = call;
  const refused = await attemptInTime(call, time, async () => {
    const replicas = assignments ? replicasOfGrown(check(call, name, count), count, assignments) : undefined;
    if (validateOnly) check(call, name, count);
    else await enlarge(context, principal, name, count, time.waitMsMax(), replicas);
  });
  if (!refused) return answer(name, errorCode.none, null);
  return answer(name, refused.errorCode, refused.message);
}

/** Throws NotFound, InvalidRequest. */
function check({ context, principal }: Call, name: string, count: number): TopicEntry {
  const topic = findTopic(context, principal, name);
  if (!topic) throw new NotFound('topic', name);
  if (count <= topic.partitions.length || count > partitionsPerTopicMax) {
    throw new InvalidRequest(
      'partitions',
      `The topic already has ${topic.partitions.length} partitions; the total cannot be changed to ${count}.`,
    );
  }
  return topic;
}

function answer(name: string, code: number, errorMessage: string | null): Answer {
  return { name, errorCode: code, errorMessage };
}
