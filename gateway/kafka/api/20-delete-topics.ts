/**
 * DeleteTopics (key 20): v1-v6, by name or id (v6). Back: gateway/operations/topics.ts. An id of another tenant is
 * UNKNOWN_TOPIC_ID (100), as one that does not exist.
 */
import { zeroUuid } from '../../../engine/kernel/uuid.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { DeleteTopicsRequest, DeleteTopicsResponse } from '../../../engine/protocol/messages/20-delete-topics.ts';
import { stripNames, tenantName } from '../../../tenancy/naming.ts';
import { deleteTopic, findTopic, findTopicById } from '../../operations/topics.ts';
import { api, type Call } from '../api.ts';
import { attempt, chargeMutation } from '../change-topics.ts';

type Asked = DeleteTopicsRequest['topics'][number];
type Answer = DeleteTopicsResponse['responses'][number];

const firstIdVersion = 6;

export const deleteTopics = api(
  20,
  { from: 1, to: 6, beside: 'alone' },
  async (call, request) => {
    const responses: Answer[] = [];
    for (const asked of topicsOf(call.version, request)) responses.push(await remove(call, asked));
    return { throttleTimeMs: 0, responses };
  },
  (request, { errorCode: code, message }, { version }) => ({
    throttleTimeMs: 0,
    responses: topicsOf(version, request).map((asked) => ({ ...asked, errorCode: code, errorMessage: message })),
  }),
);

function topicsOf(version: number, request: DeleteTopicsRequest): Asked[] {
  return version >= firstIdVersion ? request.topics : request.topicNames.map((name) => ({ name, topicId: zeroUuid }));
}

async function remove(call: Call, asked: Asked): Promise<Answer> {
  const { context, principal } = call;
  if (asked.name !== null && asked.topicId !== zeroUuid) {
    return { ...asked, errorCode: errorCode.invalidRequest, errorMessage: 'Give the name or the id, not both.' };
  }
  const topic =
    asked.name === null ? findTopicById(context, principal, asked.topicId) : findTopic(context, principal, asked.name);
  if (!topic) {
    const code = asked.name === null ? errorCode.unknownTopicId : errorCode.unknownTopicOrPartition;
    return { ...asked, errorCode: code, errorMessage: 'This server does not host this topic.' };
  }
  const name = tenantName(principal.clusterId, topic.name)!;
  const refused = await attempt(call, async () => {
    chargeMutation(call);
    await deleteTopic(context, principal, name);
  });
  return {
    name,
    topicId: topic.topicId,
    errorCode: refused?.errorCode ?? errorCode.none,
    errorMessage: refused ? stripNames(principal.clusterId, refused.message) : null,
  };
}
