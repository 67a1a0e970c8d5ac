/** Configs as Kafka's admin APIs show them: topics from the table of accepted configs, brokers as a small read-only set. */
import type { TopicEntry } from '../../engine/engine.ts';
import type { DescribeConfigsResponse } from '../../engine/protocol/messages/32-describe-configs.ts';
import { topicConfigs, topicConfigValue } from '../../engine/topic-configs.ts';
import type { ClusterView } from '../../tenancy/tenancy.ts';
import { replicationFactorDefault } from './advertised.ts';
import { setOnBroker, throttleRates } from './broker-configs.ts';

export type ConfigEntry = DescribeConfigsResponse['results'][number]['configs'][number];

export const resourceType = { topic: 2, broker: 4, clientMetrics: 16, group: 32 } as const;

const source = { topic: 1, broker: 2, allBrokers: 3, staticBroker: 4, default: 5 } as const;
/** What Kafka calls a topic config's default, in configs of brokers. retention.ms has none: brokers count it in hours. */
const brokerNames: Readonly<Record<string, string>> = {
  'cleanup.policy': 'log.cleanup.policy',
  'compression.gzip.level': 'compression.gzip.level',
  'compression.type': 'compression.type',
  'max.message.bytes': 'message.max.bytes',
  'message.timestamp.after.max.ms': 'log.message.timestamp.after.max.ms',
  'message.timestamp.before.max.ms': 'log.message.timestamp.before.max.ms',
  'message.timestamp.type': 'log.message.timestamp.type',
  'retention.bytes': 'log.retention.bytes',
};
const listKind = 7;
const int32Max = 0x7fff_ffff;
const kinds = { text: 2, int: 3, long: 5, double: 6, boolean: 1 } as const;

export interface ConfigOptions {
  /** null or empty: all. */
  readonly keys: readonly string[] | null;
  readonly synonyms: boolean;
  readonly documentation: boolean;
}

export const allConfigs: ConfigOptions = { keys: null, synonyms: false, documentation: false };

export function topicConfigEntries(topic: Pick<TopicEntry, 'configs'>, options: ConfigOptions): ConfigEntry[] {
  const entries: ConfigEntry[] = [];
  for (const config of topicConfigs) {
    if (options.keys?.length && !options.keys.includes(config.name)) continue;
    const isSet = topic.configs[config.name] !== undefined;
    // A config without effect is not shown until a client has set it and reads it back.
    if (config.alwaysHolds && !isSet) continue;
    const value = topicConfigValue(topic.configs, config.name);
    const brokerName = brokerNames[config.name];
    const fallback =
      brokerName === undefined ? [] : [{ name: brokerName, value: config.default, source: source.default }];
    entries.push({
      name: config.name,
      value,
      readOnly: false,
      configSource: isSet ? source.topic : source.default,
      isSensitive: false,
      synonyms: synonymsOf(
        options,
        isSet ? [{ name: config.name, value, source: source.topic }, ...fallback] : fallback,
      ),
      configType: config.isList ? listKind : kinds[config.kind],
      documentation: options.documentation ? config.about : null,
    });
  }
  return entries;
}

function synonymsOf(options: ConfigOptions, all: ConfigEntry['synonyms']): ConfigEntry['synonyms'] {
  return options.synonyms ? all : [];
}

interface BrokerConfig {
  readonly name: string;
  readonly value: string;
  readonly kind: keyof typeof kinds;
  readonly about: string;
}

/** A virtual broker's configs: the cluster's actual behaviour where Kafka has a broker config for it. */
export function brokerConfigEntries(cluster: ClusterView, nodeId: number, options: ConfigOptions): ConfigEntry[] {
  const configs: readonly BrokerConfig[] = [
    {
      name: 'auto.create.topics.enable',
      value: String(cluster.autoCreateTopics),
      kind: 'boolean',
      about: 'Whether the first use of a topic creates it.',
    },
    { name: 'broker.id', value: String(nodeId), kind: 'int', about: 'The id of this broker.' },
    {
      name: 'default.replication.factor',
      value: String(replicationFactorDefault),
      kind: 'int',
      about: 'Replication factor of topics that are created without one.',
    },
    {
      name: 'message.max.bytes',
      value: String(Math.min(cluster.limits.messageBytesMax, int32Max)),
      kind: 'int',
      about: 'Largest record batch of any topic.',
    },
    {
      name: 'num.partitions',
      value: String(cluster.defaultPartitions),
      kind: 'int',
      about: 'Partitions of a topic that is created without a number.',
    },
  ];
  const fixed = configs
    .filter(({ name }) => !options.keys?.length || options.keys.includes(name))
    .map(({ name, value, kind, about }) => ({
      name,
      value,
      readOnly: true,
      configSource: source.staticBroker,
      isSensitive: false,
      synonyms: synonymsOf(options, [{ name, value, source: source.staticBroker }]),
      configType: kinds[kind],
      documentation: options.documentation ? about : null,
    }));
  return [...fixed, ...throttleEntries(cluster, String(nodeId), options)];
}

/** `broker`: empty for the defaults of all brokers. */
export function throttleEntries(cluster: ClusterView, broker: string, options: ConfigOptions): ConfigEntry[] {
  const own = setOnBroker(cluster.brokerConfigs, broker);
  const all = setOnBroker(cluster.brokerConfigs, '');
  const entries: ConfigEntry[] = [];
  for (const name of throttleRates) {
    if (options.keys?.length && !options.keys.includes(name)) continue;
    const said = [
      { name, value: own[name], source: broker === '' ? source.allBrokers : source.broker },
      { name, value: all[name], source: source.allBrokers },
    ].filter((each): each is { name: string; value: string; source: 2 | 3 } => each.value !== undefined);
    const [first] = said;
    if (!first) continue;
    entries.push({
      name,
      value: first.value,
      readOnly: false,
      configSource: first.source,
      isSensitive: false,
      synonyms: synonymsOf(options, broker === '' ? said.slice(0, 1) : said),
      configType: kinds.long,
      documentation: options.documentation
        ? 'Bytes per second that may be copied when replicas move; nothing is copied here.'
        : null,
    });
  }
  return entries;
}
