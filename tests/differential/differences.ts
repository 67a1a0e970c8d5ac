/**
 * How Headgate may answer other than Apache Kafka: the whole list, each with its reason. What is not in it is a defect.
 * docs/kafka-differences.md is generated from here.
 */
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

const shownConfigs: ReadonlySet<Plain | undefined> = new Set(topicConfigs.map(({ name }) => name));

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

const unknownServerError = -1;
const invalidRecord = 87;
const groupOperations = new Set<Plain | undefined>([3400, 328]);

export const differences: readonly Difference[] = [
  {
    name: 'Errors that Kafka has no name for',
    kafka: 'UNKNOWN_SERVER_ERROR (-1) for some requests that make no sense.',
    headgate: 'The error that names the cause.',
    reason: 'There the broker ran into an exception that nobody expected; clients can do nothing with the code.',
    level: (_ask, pair) =>
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
    name: 'Internal topics, and topics of others',
    kafka: '__consumer_offsets is among all topics.',
    headgate: 'Not shown; no topic of another tenant either.',
    reason: 'They are not the tenant’s.',
    level: (ask, pair) =>
      ask.key !== 3
        ? pair
        : both(pair, (answer) => ({
            ...answer,
            topics: (answer['topics'] as Normal[]).filter(
              ({ name }) => name !== '__consumer_offsets' && name !== 'marker',
            ),
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
    name: 'Topic configs that are shown',
    kafka: 'Every config that a topic can have.',
    headgate: 'Those that are enforced.',
    reason: 'A config that is shown and not acted on would be a silent lie.',
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
    kafka: 'The number of brokers that hold the topic.',
    headgate: 'Always 3: the virtual brokers.',
    reason: 'The test’s Kafka has one broker. How often bytes are kept is the storage’s affair, not the topic’s.',
    level: (ask, pair) => {
      if (ask.key !== 19) return pair;
      const blank = (each: Normal): Normal =>
        Number(each['replicationFactor']) > 0 ? { ...each, replicationFactor: '<factor>' } : each;
      return both(pair, (answer) => eachIn(answer, 'topics', blank));
    },
  },
];

/** What is left: empty when the answers are the same. */
export function compare(ask: AskStep, pair: Pairing): string[] {
  let left = pair;
  for (const { level } of differences) if (level) left = level(ask, left);
  return differ(left.kafka, left.headgate);
}
