/**
 * CreateTopics (key 19): v2-v7. Back: gateway/operations/topics.ts.
 *
 * Replicas are those of virtual brokers (advertised.ts), so factors of 1 to 3 and assignments to brokers 1 to 3 are
 * accepted and shown as requested; -1 is 3. Refused: other factors (38), other assignments (39) and an assignment beside a
 * number of partitions or a factor (42), configs outside engine/topic-configs.ts (40), a name twice in one request (42).
 * Counts over a quota are a POLICY_VIOLATION (44), rates THROTTLING_QUOTA_EXCEEDED (89).
 */
import { topicConfigFault } from '../../../engine/topic-configs.ts';
import { zeroUuid } from '../../../engine/kernel/uuid.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { CreateTopicsRequest, CreateTopicsResponse } from '../../../engine/protocol/messages/19-create-topics.ts';
import { topicNameFault } from '../../../tenancy/naming.ts';
import {
  checkNewTopic,
  collisionCheck,
  createTopic,
  findTopic,
  type NewTopic,
  servingCluster,
} from '../../operations/topics.ts';
import { oneByOne } from '../../several-turns.ts';
import { replicationFactorDefault, replicationFactorOf } from '../advertised.ts';
import { api, type Call } from '../api.ts';
import { firstOfEach } from '../asked-once.ts';
import { replicasOfNew } from '../assignments.ts';
import { attempt, attemptInTime, type ChangeTime, changeTime, doublesIn } from '../change-topics.ts';
import { allConfigs, topicConfigEntries } from '../config-view.ts';

type Asked = CreateTopicsRequest['topics'][number];
type Answer = CreateTopicsResponse['topics'][number];

const clustersDefault = -1;

export const createTopics = api(
  19,
  { from: 2, to: 7, beside: 'alone' },
  async (call, request) => {
    const doubles = doublesIn(request.topics.map(({ name }) => name));
    const time = changeTime(call, request.timeoutMs);
    const checkCollision = collisionCheck(call.context, call.principal);
    const once = firstOfEach(request.topics, ({ name }) => name);
    const topics = await oneByOne(call.context.clock, once, (asked) =>
      doubles.has(asked.name)
        ? refusal(asked.name, errorCode.invalidRequest, 'The topic is named twice in the request.')
        : create(call, asked, request.validateOnly, time, checkCollision),
    );
    return { throttleTimeMs: 0, topics };
  },
  (request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name }) => refusal(name, code, message)),
  }),
);

async function create(
  call: Call,
  asked: Asked,
  validateOnly: boolean,
  time: ChangeTime,
  checkCollision: (name: string) => void,
): Promise<Answer> {
  const { context, principal } = call;
  const { name } = asked;
  const nameFault = topicNameFault(name);
  if (nameFault !== undefined) return refusal(name, errorCode.invalidTopicException, nameFault);
  if (findTopic(context, principal, name)) {
    return refusal(name, errorCode.topicAlreadyExists, `Topic '${name}' already exists.`);
  }
  const collision = await attempt(call, () => checkCollision(name));
  if (collision) return refusal(name, collision.errorCode, collision.message);
  const fault = faultOf(asked);
  if (fault) return refusal(name, fault[0], fault[1]);
  const configsAsked = Object.fromEntries(asked.configs.map((config) => [config.name, config.value ?? '']));
  let topic: NewTopic = { name, configs: configsAsked };
  let numPartitions = 0;
  let topicId = zeroUuid;
  const refused = await attemptInTime(call, time, async () => {
    topic = { ...topic, ...shapeOf(asked) };
    numPartitions = checkNewTopic(servingCluster(context, principal), topic);
    if (validateOnly) return;
    ({ topicId } = await createTopic(context, principal, topic, time.waitMsMax()));
  });
  if (refused) return refusal(name, refused.errorCode, refused.message);
  const configs = topicConfigEntries(topic, allConfigs);
  return {
    ...refusal(name, errorCode.none, null),
    topicId,
    numPartitions,
    replicationFactor: replicationFactorOf(topic),
    configs: configs.map(({ name: config, value, readOnly, configSource, isSensitive }) => ({
      name: config,
      // The values as requested; DescribeConfigs reports the effective ones.
      value: configsAsked[config] ?? value,
      readOnly,
      configSource,
      isSensitive,
    })),
  };
}

/** Partitions and replicas of the topic, as far as the request states them. Throws InvalidRequest (field assignments). */
function shapeOf({ assignments, numPartitions, replicationFactor }: Asked): Pick<NewTopic, 'partitions' | 'replicas'> {
  if (assignments.length > 0) return { partitions: assignments.length, replicas: replicasOfNew(assignments) };
  const isUsual = replicationFactor === clustersDefault || replicationFactor === replicationFactorDefault;
  return {
    ...(numPartitions === clustersDefault ? {} : { partitions: numPartitions }),
    ...(isUsual ? {} : { replicas: { factor: replicationFactor, nodeIds: [] } }),
  };
}

/**
 * Errors that operations/topics.ts does not know, in Kafka's order: configs, replicas, partitions, and whether there are
 * enough brokers.
 */
function faultOf({
  assignments,
  numPartitions,
  replicationFactor: wanted,
  configs,
}: Asked): [code: number, message: string] | undefined {
  const empty = configs.find(({ value }) => value === null);
  if (empty) return [errorCode.invalidConfig, `Null value not supported for topic configs: ${empty.name}`];
  for (const config of configs) {
    const fault = topicConfigFault(config.name, config.value ?? '');
    if (fault !== undefined) return [errorCode.invalidConfig, fault];
  }
  if (assignments.length > 0) return besideAssignments(wanted, numPartitions);
  const factorFault: [number, string] = [
    errorCode.invalidReplicationFactor,
    `Replication factor ${wanted} is not possible: use 1 to ${replicationFactorDefault}, or -1 for the default.`,
  ];
  if (wanted < clustersDefault || wanted === 0) return factorFault;
  if (numPartitions < clustersDefault || numPartitions === 0) {
    return [errorCode.invalidPartitions, 'Number of partitions must be larger than 0.'];
  }
  // A value that no cluster accepts is found before the partition count is checked; one that only this cluster lacks, after
  // it.
  return wanted <= replicationFactorDefault ? undefined : factorFault;
}

function besideAssignments(factor: number, partitions: number): [code: number, message: string] | undefined {
  const other =
    factor !== clustersDefault ? 'replication factor' : partitions !== clustersDefault ? 'numPartitions' : '';
  if (other === '') return undefined;
  return [errorCode.invalidRequest, `A manual partition assignment was specified, but ${other} was not set to -1.`];
}

function refusal(name: string, code: number, errorMessage: string | null): Answer {
  return {
    name,
    topicId: zeroUuid,
    errorCode: code,
    errorMessage,
    topicConfigErrorCode: errorCode.none,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  };
}
