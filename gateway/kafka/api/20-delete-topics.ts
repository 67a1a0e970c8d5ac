/**
 * DeleteTopics (key 20): v1-v6, by name or id (v6). Back: gateway/operations/topics.ts. An id of another tenant is
 * UNKNOWN_TOPIC_ID (100), like one that does not exist. Refused (42): a topic named twice, which is not deleted.
 */
import { zeroUuid } from '../../../engine/kernel/uuid.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { DeleteTopicsRequest, DeleteTopicsResponse } from '../../../engine/protocol/messages/20-delete-topics.ts';
import { tenantName } from '../../../tenancy/naming.ts';
import { deleteTopic, findTopic, findTopicById } from '../../operations/topics.ts';
import { oneByOne } from '../../several-turns.ts';
import { api, type Call } from '../api.ts';
import { attemptInTime, type ChangeTime, changeTime, doublesIn } from '../change-topics.ts';

type Asked = DeleteTopicsRequest['topics'][number];
type Answer = DeleteTopicsResponse['responses'][number];

const firstIdVersion = 6;

export const deleteTopics = api(
  20,
  { from: 1, to: 6, beside: 'alone' },
  async (call, request) => {
    const { responses, clear } = judge(call, topicsOf(call.version, request));
    const time = changeTime(call, request.timeoutMs);
    const removed = await oneByOne(call.context.clock, clear, (asked) => remove(call, asked, time));
    return { throttleTimeMs: 0, responses: [...responses, ...removed] };
  },
  (request, { errorCode: code, message }, { version }) => ({
    throttleTimeMs: 0,
    responses: topicsOf(version, request).map((asked) => ({ ...asked, errorCode: code, errorMessage: message })),
  }),
);

function topicsOf(version: number, request: DeleteTopicsRequest): Asked[] {
  return version >= firstIdVersion ? request.topics : request.topicNames.map((name) => ({ name, topicId: zeroUuid }));
}

/** The topics to delete, and one answer for each other entry: without name and id, with both, or named twice. */
function judge({ context, principal }: Call, all: readonly Asked[]): { responses: Answer[]; clear: Asked[] } {
  const responses: Answer[] = [];
  const refuse = (asked: Asked, errorMessage: string): void => {
    responses.push({ ...asked, errorCode: errorCode.invalidRequest, errorMessage });
  };
  const once = new Map<string, Asked>();
  const doubles = doublesIn(all.map(keyOf));
  for (const asked of all) {
    const hasId = asked.topicId !== zeroUuid;
    if (asked.name === null && !hasId) refuse(asked, 'Give the name or the id of the topic.');
    else if (asked.name !== null && hasId) refuse(asked, 'Give the name or the id of the topic, not both.');
    else once.set(keyOf(asked), asked);
  }
  for (const key of doubles) {
    if (once.has(key)) refuse(once.get(key)!, 'The topic is named twice in the request.');
    once.delete(key);
  }
  // Named once by name and once by id.
  for (const [key, { name }] of once) {
    const topicId = name === null ? undefined : findTopic(context, principal, name)?.topicId;
    if (topicId === undefined || !once.delete(keyOf({ name: null, topicId }))) continue;
    refuse({ name, topicId }, 'The topic is named twice in the request.');
    once.delete(key);
  }
  return { responses, clear: [...once.values()] };
}

function keyOf({ name, topicId }: Asked): string {
  return name === null ? `id ${topicId}` : `name ${topicId} ${name}`;
}

async function remove(call: Call, asked: Asked, time: ChangeTime): Promise<Answer> {
  const { context, principal } = call;
  const topic =
    asked.name === null ? findTopicById(context, principal, asked.topicId) : findTopic(context, principal, asked.name);
  if (!topic) return unknown(asked);
  const name = tenantName(principal.clusterId, topic.name)!;
  // By its id it is deleted only while it has that id: while this waits for its turn, another client may delete the topic
  // and create one of the same name.
  const onlyId = asked.name === null ? asked.topicId : undefined;
  const refused = await attemptInTime(call, time, () =>
    deleteTopic(context, principal, name, time.waitMsMax(), onlyId),
  );
  if (onlyId !== undefined && refused?.errorCode === errorCode.unknownTopicOrPartition) return unknown(asked);
  return {
    name,
    topicId: topic.topicId,
    errorCode: refused?.errorCode ?? errorCode.none,
    errorMessage: refused?.message ?? null,
  };
}

function unknown(asked: Asked): Answer {
  const code = asked.name === null ? errorCode.unknownTopicId : errorCode.unknownTopicOrPartition;
  return { ...asked, errorCode: code, errorMessage: 'This server does not host this topic.' };
}
