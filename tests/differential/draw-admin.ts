/** Requests of admin clients, and those with which every client begins. */
import { zeroUuid } from '../../engine/kernel/uuid.ts';
import type { RequestOf } from '../../engine/protocol/apis.ts';
import { servedVersions } from '../../engine/protocol/versions.ts';
import type { Draw } from '../fuzz/draw.ts';
import { collidingForm } from '../../tenancy/naming.ts';
import { ask, oddNames, topicId, topicName, topicNames } from './draw-names.ts';
import type { Model } from './model.ts';
import type { AskStep } from './steps.ts';

/** Values that both take, and values that neither does; no time after which records go, which each does when it comes to it. */
const configs: readonly (readonly [name: string, values: readonly string[]])[] = [
  ['retention.ms', ['-1', '86400000', '7200000', '-2', 'soon', '', ' 86400000']],
  ['retention.bytes', ['-1', '100000000', '-2', '1e3']],
  ['max.message.bytes', ['1000', '2000000', '-1', '0', '99999999999']],
  ['message.timestamp.type', ['CreateTime', 'LogAppendTime', 'nonsense', '']],
  ['message.timestamp.after.max.ms', ['3600000', '-1', 'x']],
  ['message.timestamp.before.max.ms', ['9223372036854775807', '-1']],
  ['cleanup.policy', ['delete', 'nonsense']],
  ['compression.gzip.level', ['-1', '1', '9', '0', '10', '-2', 'high']],
  ['compression.lz4.level', ['9', '17', '0', '18']],
  ['compression.zstd.level', ['3', '-131072', '22', '-131073', '23']],
  ['compression.type', ['producer', 'uncompressed', 'nonsense']],
  ['no.such.config', ['1']],
];

function config(draw: Draw): { name: string; value: string | null } {
  const [name, values] = draw.pick(configs);
  return { name, value: draw.chance(95) ? (draw.chance(60) ? values[0]! : draw.pick(values)) : null };
}

function createTopics(draw: Draw, model: Model): AskStep {
  const free = topicNames.filter((name) => !model.topic(name)?.isAlive);
  const named = draw.chance(75) && free.length > 0 ? [draw.pick(free)] : [draw.pick([...topicNames, ...oddNames])];
  const [first] = named;
  // Kafka makes both when they are in one request.
  const others = topicNames.filter((name) => name === first || collidingForm(name) !== collidingForm(first!));
  if (draw.chance(10)) named.push(draw.pick(others));
  const version = 2 + draw.below(6);
  const topics = named.map((name) => ({
    name,
    ...(draw.chance(15) ? placedByHand(draw) : placedForIt(draw)),
    configs: draw.chance(25) ? [config(draw)] : [],
  }));
  return ask(19, version, { topics, timeoutMs: 10_000, validateOnly: draw.chance(12) });
}

type Placing = Pick<RequestOf<19>['topics'][number], 'numPartitions' | 'replicationFactor' | 'assignments'>;

function placedForIt(draw: Draw): Placing {
  return {
    numPartitions: draw.chance(88) ? 1 + draw.below(3) : draw.pick([-1, 0, -2, -100]),
    replicationFactor: draw.chance(90) ? draw.pick([1, -1]) : draw.pick([0, -2, 4]),
    assignments: [],
  };
}

/** Broker 1 is the only one that both sides have. */
function placedByHand(draw: Draw): Placing {
  const brokerIds = (): number[] => (draw.chance(88) ? [1] : draw.pick([[], [1, 1], [9], [1, 9], [-1]]));
  const indexes = draw.chance(85) ? draw.pick([[0], [1, 0], [0, 1, 2]]) : draw.pick([[1], [0, 2], [0, 0], [-1, 0]]);
  return {
    numPartitions: draw.chance(92) ? -1 : 2,
    replicationFactor: draw.chance(92) ? -1 : 1,
    assignments: indexes.map((partitionIndex) => ({ partitionIndex, brokerIds: brokerIds() })),
  };
}

function deleteTopics(draw: Draw, model: Model): AskStep {
  const version = 1 + draw.below(6);
  const name = topicName(draw, model);
  const byId = version === 6 && draw.chance(50);
  return ask(20, version, {
    topics: [{ name: byId ? null : name, topicId: byId || draw.chance(4) ? topicId(draw, model, name) : zeroUuid }],
    topicNames: draw.chance(90) ? [name] : [name, draw.pick(topicNames)],
    timeoutMs: 10_000,
  });
}

function createPartitions(draw: Draw, model: Model): AskStep {
  const name = topicName(draw, model);
  const now = model.topic(name)?.partitions ?? 1;
  const count = draw.chance(60) ? now + 1 : draw.pick([now, now - 1, 0, -1, 5]);
  // None that both take: a topic made without a factor has three replicas here and one there.
  const wrong = draw.pick([[], [[9]], [[]], [[1, 1]], [[-1], [1]]]);
  const assignments = draw.chance(85) ? null : wrong.map((brokerIds) => ({ brokerIds }));
  const topic = { name, count, assignments };
  return ask(37, draw.below(4), {
    topics: draw.chance(5) ? [topic, topic] : [topic],
    timeoutMs: 10_000,
    validateOnly: draw.chance(20),
  });
}

function describeConfigs(draw: Draw, model: Model): AskStep {
  const keys = draw.chance(50) ? null : draw.pick([['retention.ms'], ['retention.ms', 'no.such.config'], []]);
  return ask(32, 1 + draw.below(4), {
    resources: [{ ...resource(draw, model), configurationKeys: keys }],
    includeSynonyms: draw.chance(20),
    includeDocumentation: draw.chance(10),
  });
}

function alterConfigs(draw: Draw, model: Model): AskStep {
  const configsOf = [config(draw), ...(draw.chance(25) ? [config(draw)] : [])];
  return ask(33, draw.below(3), {
    resources: [{ ...resource(draw, model), configs: configsOf }],
    validateOnly: draw.chance(20),
  });
}

function incrementalAlterConfigs(draw: Draw, model: Model): AskStep {
  const configsOf = [config(draw), ...(draw.chance(25) ? [config(draw)] : [])].map(({ name, value }) => ({
    name,
    value,
    configOperation: draw.pick([0, 0, 0, 1, 1, ...(draw.chance(20) ? [2, 3, 9] : [])]),
  }));
  return ask(44, draw.below(2), {
    resources: [{ ...resource(draw, model), configs: configsOf }],
    validateOnly: draw.chance(20),
  });
}

/** Mostly a topic; at times a resource of an unknown type. */
function resource(draw: Draw, model: Model): { resourceType: number; resourceName: string } {
  return { resourceType: draw.chance(96) ? 2 : draw.pick([0, 99]), resourceName: topicName(draw, model) };
}

function listConfigResources(draw: Draw): AskStep {
  return ask(74, draw.below(2), { resourceTypes: draw.pick([[], [2], [2, 16], [16], [99]]) });
}

function metadata(draw: Draw, model: Model): AskStep {
  const version = draw.below(14);
  const name = topicName(draw, model);
  const byId = version >= 12 && draw.chance(40);
  const topics = draw.chance(15)
    ? version === 0
      ? []
      : null
    : draw.chance(5)
      ? []
      : [{ topicId: byId ? topicId(draw, model, name) : zeroUuid, name: byId ? null : name }];
  return ask(3, version, {
    topics,
    allowAutoTopicCreation: draw.chance(50),
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  });
}

function describeLogDirs(draw: Draw, model: Model): AskStep {
  const topics = [{ topic: topicName(draw, model), partitions: [0] }];
  return ask(35, 1 + draw.below(5), { topics: draw.chance(50) ? null : topics });
}

function describeCluster(draw: Draw): AskStep {
  const version = draw.below(3);
  const endpointType = version >= 1 && draw.chance(20) ? draw.pick([0, 3]) : 1;
  return ask(60, version, {
    includeClusterAuthorizedOperations: false,
    endpointType,
    includeFencedBrokers: draw.chance(30),
  });
}

function describeTopicPartitions(draw: Draw, model: Model): AskStep {
  const topics = [...new Set([topicName(draw, model), topicName(draw, model)])].sort().map((name) => ({ name }));
  const cursor = draw.chance(80)
    ? null
    : { topicName: draw.pick(topics).name, partitionIndex: draw.pick([0, 1, 5, -1]) };
  return ask(75, 0, { topics, responsePartitionLimit: draw.pick([2_000, 1, 2, 0, -1]), cursor });
}

function apiVersions(draw: Draw): AskStep {
  const version = draw.chance(80) ? draw.below(5) : 5;
  const named = draw.pick([
    ['a', '1'],
    ['kafka-client', '4.3.1'],
    ['', ''],
    ['a b', '1'],
    ['-a', '1'],
  ] as const);
  return ask(18, version, { clientSoftwareName: named[0], clientSoftwareVersion: named[1] });
}

/** A version that neither has: the connection ends. */
function unserved(draw: Draw): AskStep {
  const { key, max } = draw.pick(
    [...servedVersions.values()].filter(({ key: each }) => each !== 18 && each !== 36 && each !== 17),
  );
  return { kind: 'ask', key, version: max + 1, connection: 'data', body: {} };
}

export function drawAdmin(draw: Draw, model: Model): AskStep {
  if (model.living.length < 2 && draw.chance(60)) return createTopics(draw, model);
  return draw.pick<() => AskStep>([
    () => createTopics(draw, model),
    () => createTopics(draw, model),
    () => createPartitions(draw, model),
    () => (draw.chance(50) ? deleteTopics(draw, model) : metadata(draw, model)),
    () => describeConfigs(draw, model),
    () => describeConfigs(draw, model),
    () => alterConfigs(draw, model),
    () => incrementalAlterConfigs(draw, model),
    () => incrementalAlterConfigs(draw, model),
    () => metadata(draw, model),
    () => metadata(draw, model),
    () => metadata(draw, model),
    () => describeCluster(draw),
    () => describeTopicPartitions(draw, model),
    () => apiVersions(draw),
    () => (draw.chance(40) ? listConfigResources(draw) : describeConfigs(draw, model)),
    () => (draw.chance(30) ? unserved(draw) : draw.chance(20) ? describeLogDirs(draw, model) : metadata(draw, model)),
    () => ask(46, 0, { timeoutMs: 1_000, topics: null }),
  ])();
}
