/** Configs as Kafka's admin APIs show them: topics from the table of what is enforced, brokers as a small read-only set. */
import type { TopicEntry } from '../../engine/engine.ts';
import type { DescribeConfigsResponse } from '../../engine/protocol/messages/32-describe-configs.ts';
import { topicConfigs, topicConfigValue } from '../../engine/topic-configs.ts';
import type { ClusterView } from '../../tenancy/tenancy.ts';
import { replicationFactor } from './advertised.ts';

export type ConfigEntry = DescribeConfigsResponse['results'][number]['configs'][number];

export const resourceType = { topic: 2, broker: 4, clientMetrics: 16, group: 32 } as const;

const source = { topic: 1, staticBroker: 4, default: 5 } as const;
const kinds = { text: 2, int: 3, long: 5, boolean: 1 } as const;

export interface ConfigOptions {
  /** null: all. */
  readonly keys: readonly string[] | null;
  readonly synonyms: boolean;
  readonly documentation: boolean;
}

export const allConfigs: ConfigOptions = { keys: null, synonyms: false, documentation: false };

export function topicConfigEntries(topic: Pick<TopicEntry, 'configs'>, options: ConfigOptions): ConfigEntry[] {
  const entries: ConfigEntry[] = [];
  for (const config of topicConfigs) {
    if (options.keys && !options.keys.includes(config.name)) continue;
    const isSet = topic.configs[config.name] !== undefined;
    const value = topicConfigValue(topic.configs, config.name);
    const fallback = { name: config.name, value: config.default, source: source.default };
    entries.push({
      name: config.name,
      value,
      readOnly: false,
      configSource: isSet ? source.topic : source.default,
      isSensitive: false,
      synonyms: synonymsOf(
        options,
        isSet ? [{ name: config.name, value, source: source.topic }, fallback] : [fallback],
      ),
      configType: kinds[config.kind],
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

/** A virtual broker's configs: what the cluster really does where Kafka has a broker config for it. */
export function brokerConfigEntries(cluster: ClusterView, nodeId: number, options: ConfigOptions): ConfigEntry[] {
  const configs: readonly BrokerConfig[] = [
    {
      name: 'auto.create.topics.enable',
      value: String(cluster.autoCreateTopics),
      kind: 'boolean',
      about: 'Whether a first use creates a topic.',
    },
    { name: 'broker.id', value: String(nodeId), kind: 'int', about: 'The id of this broker.' },
    {
      name: 'default.replication.factor',
      value: String(replicationFactor),
      kind: 'int',
      about: 'The replication factor that topics are shown with.',
    },
    {
      name: 'message.max.bytes',
      value: String(cluster.limits.messageBytesMax),
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
  return configs
    .filter(({ name }) => !options.keys || options.keys.includes(name))
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
}
