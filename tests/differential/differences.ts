/**
 * Every way in which an answer of Headgate may differ from Apache Kafka's, with its reason. Any other difference is a
 * defect. docs/kafka-differences.md is generated from here.
 */
import { zeroUuid } from '../../engine/kernel/uuid.ts';
import type { RequestOf } from '../../engine/protocol/apis.ts';
import { topicConfigs } from '../../engine/topic-configs.ts';
import { differ, type Normal, type Plain } from './normalise.ts';
import { type AskStep, prefixMark } from './steps.ts';

export interface Pairing {
  readonly kafka: Normal;
  readonly headgate: Normal;
}

export interface Difference {
  readonly name: string;
  readonly kafka: string;
  readonly headgate: string;
  readonly reason: string;
  /** Removes the difference from both answers. Absent if normalise.ts removes it or the generator never draws it. */
  readonly level?: (ask: AskStep, pair: Pairing) => Pairing;
}

const shownConfigs: ReadonlySet<Plain | undefined> = new Set(
  topicConfigs.filter(({ alwaysHolds }) => !alwaysHolds).map(({ name }) => name),
);

function eachIn(normal: Normal, name: string, change: (each: Normal) => Normal): Normal {
  const list = normal[name];
  return Array.isArray(list) ? { ...normal, [name]: list.map((each) => change(each as Normal)) } : normal;
}

function both({ kafka, headgate }: Pairing, change: (answer: Normal) => Normal): Pairing {
  return { kafka: change(kafka), headgate: change(headgate) };
}

/** Visits both answers in parallel, every struct in them. */
function walk({ kafka, headgate }: Pairing, change: (kafka: Normal, headgate: Normal) => Pairing): Pairing {
  const pair = change(kafka, headgate);
  const [a, b]: [Normal, Normal] = [{ ...pair.kafka }, { ...pair.headgate }];
  for (const [name, value] of Object.entries(a)) {
    const other = b[name];
    if (Array.isArray(value) && Array.isArray(other)) {
      const pairs = value.map((each, i): [Plain, Plain | undefined] => [each, other[i]]);
      const walked = pairs.map(([x, y]) =>
        isNormal(x) && isNormal(y) ? walk({ kafka: x, headgate: y }, change) : { kafka: x, headgate: y },
      );
      a[name] = walked.map((each) => each.kafka);
      b[name] = other.map((each, i) => walked[i]?.headgate ?? each);
    }
  }
  return { kafka: a, headgate: b };
}

function isNormal(value: Plain | undefined): value is Normal {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: Plain | undefined): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** A pair with nothing left to compare. */
const forgiven: Pairing = { kafka: {}, headgate: {} };

/** The topics of a Fetch answer, each named once, with all its partitions. */
function merged(answer: Normal): Plain[] {
  const topics = new Map<string, { topic: Normal; partitions: Plain[] }>();
  for (const each of (answer['responses'] ?? []) as Normal[]) {
    const { partitions, ...topic } = each;
    const key = JSON.stringify(topic);
    const known = topics.get(key);
    if (known) known.partitions.push(...(partitions as Plain[]));
    else topics.set(key, { topic, partitions: [...(partitions as Plain[])] });
  }
  const byText = (a: Plain, b: Plain): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  return [...topics.values()].map(({ topic, partitions }) => ({ ...topic, partitions: partitions.sort(byText) }));
}

/** The topics of a Produce answer, each named once. Keeps the last answer for a partition that is answered twice. */
function answeredOnce(answer: Normal): Plain[] {
  const topics = new Map<string, { topic: Normal; last: Map<Plain | undefined, Normal> }>();
  for (const each of (answer['responses'] ?? []) as Normal[]) {
    const { partitionResponses, ...topic } = each;
    const key = JSON.stringify(topic);
    let known = topics.get(key);
    if (!known) topics.set(key, (known = { topic, last: new Map() }));
    for (const partition of partitionResponses as Normal[]) known.last.set(partition['index'], partition);
  }
  return [...topics.values()].map(({ topic, last }) => ({ ...topic, partitionResponses: [...last.values()] }));
}

const unknownServerError = -1;
const invalidTopic = 17;
const policyViolation = 44;
const transactionalIdAuthorizationFailed = 53;
const invalidRecord = 87;
const unknownTopicId = 100;
const internalTopics = new Set<Plain | undefined>(['__consumer_offsets', '__transaction_state']);
const topicResource = 2;
const groupOperations = new Set<Plain | undefined>([3400, 328]);

/** Whether Kafka failed the whole request because of one item, and Headgate refused that item alone. */
function isFailedWhole(ask: AskStep, { kafka, headgate }: Pairing): boolean {
  const refusedWith = (each: Plain, code: number): boolean => (each as Normal)['errorCode'] === code;
  const isUnexpected = (each: Plain): boolean => refusedWith(each, unknownServerError);
  const list = (answer: Normal, name: string): Normal[] => (answer[name] ?? []) as Normal[];
  if (ask.key === 3 && list(kafka, 'brokers').length === 0) {
    const isGood = list(headgate, 'topics').some((each) => refusedWith(each, 0));
    return Array.isArray(kafka['brokers']) && list(kafka, 'topics').every(isUnexpected) && !isGood;
  }
  if (ask.key === 75 && list(kafka, 'topics').every(isUnexpected)) {
    return list(headgate, 'topics').some((each) => each['name'] === '' && refusedWith(each, invalidTopic));
  }
  if (ask.key === 1 && (isUnexpected(kafka) || kafka['ending'] === 'silent')) {
    const odd = list(headgate, 'responses').filter((each) => each['topicId'] === zeroUuid);
    const parts = odd.flatMap((each) => list(each, 'partitions'));
    return parts.length > 0 && parts.every((each) => refusedWith(each, unknownTopicId));
  }
  return false;
}

export const differences: readonly Difference[] = [
  {
    name: 'Unexpected errors inside Kafka',
    kafka:
      'Answers some nonsensical requests with UNKNOWN_SERVER_ERROR (-1). Three requests fail as a whole: a Metadata (whose answer then names no broker), a DescribeTopicPartitions with an empty name, and a Fetch from topic ids of zeroes (which may get no answer at all).',
    headgate: 'Answers with the error that names the cause, for the affected item alone.',
    reason: 'Kafka’s broker meets an exception that its authors did not expect. Clients can do nothing with that code.',
    // `compare` handles requests that fail as a whole before it comes here.
    level: (_, pair) =>
      walk(pair, (kafka, headgate) =>
        kafka['errorCode'] === unknownServerError && headgate['errorCode'] !== 0
          ? { kafka: { ...kafka, errorCode: '<error>' }, headgate: { ...headgate, errorCode: '<error>' } }
          : { kafka, headgate },
      ),
  },
  {
    name: 'Offered APIs',
    kafka: 'Offers all its APIs, and its finalised features.',
    headgate: 'Offers the APIs in [protocol-support.md](protocol-support.md), and no features.',
    reason:
      'A server must not offer what it does not serve. The test requires equal version ranges for every API that both offer.',
    level: (ask, pair) => {
      if (ask.key !== 18) return pair;
      const own = new Set((pair.headgate['apiKeys'] as Normal[]).map(({ apiKey }) => apiKey));
      const without: Normal = { supportedFeatures: [], finalizedFeaturesEpoch: 0, finalizedFeatures: [] };
      return both(pair, (answer) => ({
        ...answer,
        ...without,
        apiKeys: (answer['apiKeys'] as Normal[]).filter(({ apiKey }) => own.has(apiKey)),
      }));
    },
  },
  {
    name: 'Log start offset beside an invalid record',
    kafka: 'Included if the log rejected the record.',
    headgate:
      'Included if the broker rejected the record. The gateway, which rejects some records before that, does not know it.',
    reason: 'No client reads the field in such an answer.',
    level: (ask, pair) =>
      ask.key !== 0
        ? pair
        : walk(pair, (kafka, headgate) =>
            kafka['errorCode'] === invalidRecord && headgate['errorCode'] === invalidRecord
              ? { kafka: { ...kafka, logStartOffset: -1 }, headgate: { ...headgate, logStartOffset: -1 } }
              : { kafka, headgate },
          ),
  },
  {
    name: 'Append time of a repeated batch',
    kafka: 'Returns a timestamp of the batch as the append time, whatever the topic’s timestamp type.',
    headgate: 'Returns no append time.',
    reason:
      'With CreateTime an append has no time of its own. With LogAppendTime the log remembers the offsets of a producer’s last batches but not their times.',
    level: (ask, pair) => {
      if (ask.key !== 0 || !JSON.stringify(ask.body).includes('"producer"')) return pair;
      return walk(pair, (kafka, headgate) =>
        kafka['logAppendTimeMs'] === '<time>' && headgate['logAppendTimeMs'] === -1 && headgate['errorCode'] === 0
          ? { kafka: { ...kafka, logAppendTimeMs: -1 }, headgate }
          : { kafka, headgate },
      );
    },
  },
  {
    name: 'A Produce request that names a partition twice',
    kafka: 'Stores and answers the last batch, and drops the others silently.',
    headgate: 'Stores every batch in order, and answers each.',
    reason: 'A client that sent two batches and got an acknowledgement should find two batches.',
    level: (ask, pair) =>
      ask.key === 0 ? both(pair, (answer) => ({ ...answer, responses: answeredOnce(answer) })) : pair,
  },
  {
    name: 'Repeated topics in a Fetch answer',
    kafka: 'Names a topic again after partitions of another topic.',
    headgate: 'Names each topic once.',
    reason: 'The answer holds the same partitions in fewer bytes.',
    level: (ask, pair) => (ask.key === 1 ? both(pair, (answer) => ({ ...answer, responses: merged(answer) })) : pair),
  },
  {
    name: 'List of aborted transactions for a partition without records',
    kafka:
      'With `read_committed`, null if the first batch is larger than the rest of the byte limit, otherwise an empty list.',
    headgate: 'Always an empty list.',
    reason: 'There are none in either case, and every client treats null and an empty list alike.',
    level: (ask, pair) =>
      ask.key !== 1
        ? pair
        : walk(pair, (kafka, headgate) =>
            kafka['abortedTransactions'] === null && headgate['errorCode'] === 0 && isEmpty(kafka['records'])
              ? { kafka: { ...kafka, abortedTransactions: headgate['abortedTransactions'] ?? null }, headgate }
              : { kafka, headgate },
          ),
  },
  {
    name: 'Transactional ids',
    kafka: 'FindCoordinator and InitProducerId find a coordinator, or create one after a while.',
    headgate:
      'Answers with TRANSACTIONAL_ID_AUTHORIZATION_FAILED (53), or with POLICY_VIOLATION (44) from FindCoordinator v4 on.',
    reason:
      'Headgate has no transactions. With these codes every client stops at once, and most clients show the reason.',
    level: (ask, pair) => {
      const { keyType, transactionalId } = ask.body as { keyType?: number; transactionalId?: string | null };
      const refusal = ask.key === 10 && ask.version >= 4 ? policyViolation : transactionalIdAuthorizationFailed;
      const isAsked = (ask.key === 10 && keyType === 1) || (ask.key === 22 && Boolean(transactionalId));
      if (!isAsked) return pair;
      const { coordinators } = pair.headgate;
      const refused = Array.isArray(coordinators) && ask.version >= 4 ? (coordinators as Normal[]) : [pair.headgate];
      const isRefused = refused.every((each) => each['errorCode'] === refusal);
      return isRefused ? forgiven : pair;
    },
  },
  {
    name: 'Config resources that are listed',
    kafka: 'Topics, brokers and their loggers, client metrics, and groups.',
    headgate: 'Topics and the virtual brokers.',
    reason: 'Headgate lists only what can be configured.',
    level: (ask, pair) => {
      if (ask.key !== 74) return pair;
      const isTopic = ({ resourceType, resourceName }: Normal): boolean =>
        (ask.version === 0 || resourceType === topicResource) && String(resourceName).startsWith(prefixMark);
      return both(pair, (answer) => ({
        ...answer,
        configResources: (answer['configResources'] as Normal[]).filter(isTopic),
      }));
    },
  },
  {
    name: 'Log directories',
    kafka: 'The broker’s directories, with the sizes of their files and of the disk.',
    headgate: 'One directory, with the bytes of the records in each log.',
    reason:
      'All brokers share the storage of the logs, and tenants must not see its disks. Besides, Kafka starts to list a log a moment after it created the topic, and stops a moment after it deleted it.',
    level: (ask, pair) => (ask.key === 35 ? both(pair, (answer) => ({ ...answer, results: [] })) : pair),
  },
  {
    name: 'Internal topics and other topics',
    kafka: 'Lists __consumer_offsets and __transaction_state among all topics.',
    headgate: 'Lists neither these nor any topic of another tenant.',
    reason: 'They do not belong to the tenant.',
    level: (ask, pair) =>
      ask.key !== 3
        ? pair
        : both(pair, (answer) => ({
            ...answer,
            topics: (answer['topics'] as Normal[]).filter(({ name }) => !internalTopics.has(name) && name !== 'marker'),
          })),
  },
  {
    name: 'Groups of earlier runs',
    kafka: 'Lists all groups of the cluster.',
    headgate: 'Lists all groups of the tenant’s cluster.',
    reason: 'The test runs several times on one cluster and ignores the groups of earlier runs.',
    level: (ask, pair) =>
      ask.key !== 16
        ? pair
        : both(pair, (answer) => ({
            ...answer,
            groups: (answer['groups'] as Normal[]).filter(
              ({ groupId }) => String(groupId).startsWith(prefixMark) || groupId === '',
            ),
          })),
  },
  {
    name: 'Authorized operations of a group',
    kafka: 'READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS.',
    headgate: 'READ, DELETE and DESCRIBE.',
    reason: 'Groups have no configs in Headgate.',
    level: (ask, pair) => {
      if (ask.key !== 15) return pair;
      const blank = (each: Normal): Normal =>
        groupOperations.has(each['authorizedOperations']) ? { ...each, authorizedOperations: '<operations>' } : each;
      return both(pair, (answer) => eachIn(answer, 'groups', blank));
    },
  },
  {
    name: 'Topic id after CreateTopics with `validate_only`',
    kafka: 'Returns a random id that no topic has.',
    headgate: 'Returns no id.',
    reason: 'No topic was created.',
    level: (ask, pair) => {
      if (ask.key !== 19 || !(ask.body as { validateOnly: boolean }).validateOnly) return pair;
      return both(pair, (answer) => eachIn(answer, 'topics', (each) => ({ ...each, topicId: '<no topic>' })));
    },
  },
  {
    name: 'Topic names that differ only in dots and underscores',
    kafka:
      'Refuses the second topic with INVALID_TOPIC_EXCEPTION (17), but creates both when one request names both. Answers a Metadata request that may create the second with UNKNOWN_TOPIC_OR_PARTITION, however often it is repeated.',
    headgate: 'Always refuses the second topic with 17, from Metadata too.',
    reason: 'Two such topics have one name in Kafka’s metrics. A client that gets 17 reports it and does not wait.',
  },
  {
    name: 'Topic configs that are listed',
    kafka: 'Lists every config that a topic can have.',
    headgate:
      'Lists the configs that it acts on. Configs whose promise holds with any value (segment.bytes, min.insync.replicas, …) are listed only if they were set.',
    reason: 'To list a config without keeping its promise would be a silent lie.',
    level: (ask, pair) => {
      const list = ask.key === 32 ? 'results' : ask.key === 19 ? 'topics' : undefined;
      if (!list) return pair;
      const shown = (each: Normal): Normal =>
        Array.isArray(each['configs'])
          ? { ...each, configs: each['configs'].filter((config) => shownConfigs.has((config as Normal)['name'])) }
          : each;
      return both(pair, (answer) => eachIn(answer, list, shown));
    },
  },
  {
    name: 'Replication factor',
    kafka: 'The requested factor, or the default of the brokers’ configs, which is 1 in this test.',
    headgate: 'The requested factor from 1 to 3, or 3, the number of virtual brokers.',
    reason: 'The test’s Kafka has one broker. In Headgate the storage decides how many copies it keeps, not the topic.',
    level: (ask, pair) => {
      if (ask.key !== 19) return pair;
      // A requested factor is returned as it is.
      const asked = (ask.body as RequestOf<19>).topics;
      if (asked.every(({ replicationFactor, assignments }) => replicationFactor > 0 || assignments.length > 0))
        return pair;
      const blank = (each: Normal): Normal =>
        Number(each['replicationFactor']) > 0 ? { ...each, replicationFactor: '<factor>' } : each;
      return both(pair, (answer) => eachIn(answer, 'topics', blank));
    },
  },
];

/** The differences that remain after all allowed ones: empty if the answers are equal. */
export function compare(ask: AskStep, pair: Pairing): string[] {
  if (isFailedWhole(ask, pair)) return [];
  // If a connection ended, there is no answer whose fields could differ.
  if ('ending' in pair.kafka || 'ending' in pair.headgate) return differ(pair.kafka, pair.headgate);
  let left = pair;
  for (const { level } of differences) {
    if (level) left = level(ask, left);
    if (left === forgiven) return [];
  }
  return differ(left.kafka, left.headgate);
}
