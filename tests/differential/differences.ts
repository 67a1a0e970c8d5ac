/**
 * How Headgate may answer other than Apache Kafka: the whole list, each with its reason. What is not in it is a defect.
 * docs/kafka-differences.md is generated from here.
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
  /** The answers without the difference; absent when normalise.ts sees to it or the generator does not draw it. */
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

/** Both at once, down to every struct. */
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

/** Nothing is left to compare. */
const forgiven: Pairing = { kafka: {}, headgate: {} };

/** Topics of a Fetch answer, each once, with all its partitions. */
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

/** Topics of a Produce answer, each once; of a partition that is answered twice, the last. */
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

/** Whether Kafka failed at one thing in the request, and Headgate has refused that one. */
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
    name: 'Errors that Kafka has no name for',
    kafka:
      'UNKNOWN_SERVER_ERROR (-1) for some requests that make no sense; for all of a Metadata (which then names no broker), of a DescribeTopicPartitions with an empty name, and of a Fetch from ids of zeroes, which can get no answer at all.',
    headgate: 'The error that names the cause, beside what could be answered.',
    reason: 'There the broker ran into an exception that nobody expected; clients can do nothing with the code.',
    // Those that fail as a whole are known before all others: see compare.
    level: (_, pair) =>
      walk(pair, (kafka, headgate) =>
        kafka['errorCode'] === unknownServerError && headgate['errorCode'] !== 0
          ? { kafka: { ...kafka, errorCode: '<error>' }, headgate: { ...headgate, errorCode: '<error>' } }
          : { kafka, headgate },
      ),
  },
  {
    name: 'APIs that are offered',
    kafka: 'All of its own, and features that are finalised.',
    headgate: 'Those of protocol-support.md; no features.',
    reason: 'What is not served must not be offered. Ranges of those that are offered must be the same.',
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
    name: 'Start of the log beside an invalid record',
    kafka: 'Told, when the record was judged at the log.',
    headgate: 'Told, when it was judged at the broker; not known at the door.',
    reason: 'No client reads it there.',
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
    name: 'Time of an append that repeats an earlier one',
    kafka: 'A time of the batch is told as the time of its append, whatever the topic’s timestamp type.',
    headgate: 'None.',
    reason:
      'With CreateTime there is none; with LogAppendTime the log keeps offsets of a producer’s last batches, not their times.',
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
    name: 'A partition that is named twice in a Produce',
    kafka: 'The last batch is stored and answered; the others are dropped without a word.',
    headgate: 'Each is stored, in their order, and answered.',
    reason: 'What is acknowledged to somebody who sent two batches should be two batches.',
    level: (ask, pair) =>
      ask.key === 0 ? both(pair, (answer) => ({ ...answer, responses: answeredOnce(answer) })) : pair,
  },
  {
    name: 'How often a Fetch answer names a topic',
    kafka: 'Anew after partitions of another topic.',
    headgate: 'Once.',
    reason: 'The same partitions in fewer bytes.',
    level: (ask, pair) => (ask.key === 1 ? both(pair, (answer) => ({ ...answer, responses: merged(answer) })) : pair),
  },
  {
    name: 'Aborted transactions of a partition without records',
    kafka:
      'To who reads committed records null where the first batch is larger than what is left of the limit, else an empty list.',
    headgate: 'An empty list.',
    reason: 'There are none either way, and every client takes both for none.',
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
    kafka: 'FindCoordinator and InitProducerId find and make a coordinator for them, after a while.',
    headgate: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED (53), or POLICY_VIOLATION (44) from FindCoordinator v4 on.',
    reason:
      'Transactions are not offered; with these codes every client ends at once, and most of them show the reason.',
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
    name: 'Resources that have configs',
    kafka: 'Also brokers with their loggers, client metrics, and groups.',
    headgate: 'Topics, and the virtual brokers.',
    reason: 'What cannot be configured is not listed.',
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
    name: 'Directories of logs',
    kafka: 'Those of the broker, with the sizes of their files and of the disk.',
    headgate: 'One, with the bytes of the records in each log.',
    reason:
      'Logs are in storage that all brokers share, and its disks are not a tenant’s to see. Kafka lists a log a moment after its topic is there, and a moment longer than that.',
    level: (ask, pair) => (ask.key === 35 ? both(pair, (answer) => ({ ...answer, results: [] })) : pair),
  },
  {
    name: 'Internal topics, and topics of others',
    kafka: '__consumer_offsets and __transaction_state are among all topics.',
    headgate: 'Not shown; no topic of another tenant either.',
    reason: 'They are not the tenant’s.',
    level: (ask, pair) =>
      ask.key !== 3
        ? pair
        : both(pair, (answer) => ({
            ...answer,
            topics: (answer['topics'] as Normal[]).filter(({ name }) => !internalTopics.has(name) && name !== 'marker'),
          })),
  },
  {
    name: 'Groups of others',
    kafka: 'All groups of the cluster.',
    headgate: 'All groups of the tenant’s cluster.',
    reason: 'Runs of the test come one after the other: groups of earlier ones are left out.',
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
    name: 'What may be done with a group',
    kafka: 'Also DESCRIBE_CONFIGS and ALTER_CONFIGS.',
    headgate: 'READ, DELETE, DESCRIBE.',
    reason: 'Groups have no configs here.',
    level: (ask, pair) => {
      if (ask.key !== 15) return pair;
      const blank = (each: Normal): Normal =>
        groupOperations.has(each['authorizedOperations']) ? { ...each, authorizedOperations: '<operations>' } : each;
      return both(pair, (answer) => eachIn(answer, 'groups', blank));
    },
  },
  {
    name: 'Id of a topic that was only validated',
    kafka: 'A random id that no topic has.',
    headgate: 'No id.',
    reason: 'There is no topic.',
    level: (ask, pair) => {
      if (ask.key !== 19 || !(ask.body as { validateOnly: boolean }).validateOnly) return pair;
      return both(pair, (answer) => eachIn(answer, 'topics', (each) => ({ ...each, topicId: '<no topic>' })));
    },
  },
  {
    name: 'Names of topics that differ only in dots and underscores',
    kafka: 'The second of them is refused: INVALID_TOPIC_EXCEPTION (17).',
    headgate: 'Both are topics.',
    reason: 'Kafka’s metrics would show both under one name. Those of Headgate have the name as it is.',
  },
  {
    name: 'Topic configs that are shown',
    kafka: 'Every config that a topic can have.',
    headgate:
      'Those that are acted on, and of those that hold whatever they say (segment.bytes, min.insync.replicas, …) what was set.',
    reason: 'A config that is shown and whose promise is not kept would be a silent lie.',
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
    kafka: 'As asked, or what the brokers’ configs say: 1 here.',
    headgate: 'As asked, 1 to 3, or 3: what the virtual brokers show.',
    reason: 'The test’s Kafka has one broker. How often bytes are kept is the storage’s affair, not the topic’s.',
    level: (ask, pair) => {
      if (ask.key !== 19) return pair;
      // Where one was asked for, it is what is shown.
      const asked = (ask.body as RequestOf<19>).topics;
      if (asked.every(({ replicationFactor, assignments }) => replicationFactor > 0 || assignments.length > 0))
        return pair;
      const blank = (each: Normal): Normal =>
        Number(each['replicationFactor']) > 0 ? { ...each, replicationFactor: '<factor>' } : each;
      return both(pair, (answer) => eachIn(answer, 'topics', blank));
    },
  },
];

/** What is left: empty when the answers are the same. */
export function compare(ask: AskStep, pair: Pairing): string[] {
  if (isFailedWhole(ask, pair)) return [];
  // Where a connection ended there is no answer whose fields could differ.
  if ('ending' in pair.kafka || 'ending' in pair.headgate) return differ(pair.kafka, pair.headgate);
  let left = pair;
  for (const { level } of differences) {
    if (level) left = level(ask, left);
    if (left === forgiven) return [];
  }
  return differ(left.kafka, left.headgate);
}
