/**
 * The topic configs that are enforced, with Kafka's names, texts and defaults. A config that is not in this table is
 * refused by name: accepting a setting and not acting on it would be a silent lie.
 */
export type ConfigKind = 'long' | 'int' | 'text';

export interface TopicConfig {
  readonly name: string;
  readonly kind: ConfigKind;
  readonly default: string;
  readonly min?: number;
  readonly max?: number;
  /** For texts: what may be said. */
  readonly values?: readonly string[];
  /** Of Kafka's type LIST: values can be added and taken away. */
  readonly isList?: true;
  readonly about: string;
}

const longMax = Number.MAX_SAFE_INTEGER;

export const topicConfigs: readonly TopicConfig[] = [
  {
    name: 'cleanup.policy',
    kind: 'text',
    default: 'delete',
    values: ['delete'],
    isList: true,
    about: 'Old records are deleted by time and size. Compaction is not there yet and is refused.',
  },
  {
    name: 'compression.type',
    kind: 'text',
    default: 'producer',
    values: ['producer'],
    about: 'Batches are kept as the producer compressed them.',
  },
  {
    name: 'max.message.bytes',
    kind: 'int',
    default: '1048588',
    min: 0,
    max: 8 * 1024 * 1024,
    about: 'Largest record batch that is accepted, in bytes after compression.',
  },
  {
    name: 'message.timestamp.after.max.ms',
    kind: 'long',
    default: '3600000',
    min: 0,
    max: longMax,
    about: 'How far a CreateTime timestamp may lie in the future.',
  },
  {
    name: 'message.timestamp.before.max.ms',
    kind: 'long',
    default: '9223372036854775807',
    min: 0,
    max: longMax,
    about: 'How far a CreateTime timestamp may lie in the past.',
  },
  {
    name: 'message.timestamp.type',
    kind: 'text',
    default: 'CreateTime',
    values: ['CreateTime', 'LogAppendTime'],
    about: "Whether a record carries its producer's time or the time of its append.",
  },
  {
    name: 'retention.bytes',
    kind: 'long',
    default: '-1',
    // Kafka sets no bound here, and takes every number below 0 for none.
    min: -longMax,
    max: longMax,
    about: 'Bytes that a partition keeps before old records go; -1 sets no bound.',
  },
  {
    name: 'retention.ms',
    kind: 'long',
    default: '604800000',
    min: -1,
    max: longMax,
    about: 'How long records are kept; -1 keeps them for good.',
  },
];

const byName: ReadonlyMap<string, TopicConfig> = new Map(topicConfigs.map((c) => [c.name, c]));

/** What the broker acts on. Numbers are Infinity where Kafka says -1 or long.max. */
export interface TopicSettings {
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly messageBytesMax: number;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
}

/** Undefined when `text` is a legal value of `name`, else a sentence that names the config and what it takes. */
export function topicConfigFault(name: string, text: string): string | undefined {
  const config = byName.get(name);
  if (!config)
    return `Topic config '${name}' is not supported; supported are ${topicConfigs.map((c) => c.name).join(', ')}`;
  if (config.values) {
    return config.values.includes(text)
      ? undefined
      : `Invalid value ${text} for configuration ${name}: must be one of ${config.values.join(', ')}`;
  }
  if (!/^[-+]?\d{1,19}$/.test(text.trim()))
    return `Invalid value ${text} for configuration ${name}: not a number of type ${config.kind}`;
  const value = Number(text);
  if (value < config.min!) return `Invalid value ${text} for configuration ${name}: must be at least ${config.min}`;
  if (value > config.max! && text.trim() !== '9223372036854775807') {
    return `Invalid value ${text} for configuration ${name}: must be at most ${config.max}`;
  }
  return undefined;
}

/** As it counts: blanks around a number are none of it, as in Kafka. */
export function topicConfigValue(configs: Readonly<Record<string, string>>, name: string): string {
  return (configs[name] ?? byName.get(name)!.default).trim();
}

function bound(configs: Readonly<Record<string, string>>, name: string): number {
  const value = Number(topicConfigValue(configs, name));
  return value < 0 || value > longMax ? Infinity : value;
}

export function topicSettings(configs: Readonly<Record<string, string>>): TopicSettings {
  return {
    retentionMs: bound(configs, 'retention.ms'),
    retentionBytes: bound(configs, 'retention.bytes'),
    messageBytesMax: bound(configs, 'max.message.bytes'),
    timestampType:
      topicConfigValue(configs, 'message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    timestampBeforeMaxMs: bound(configs, 'message.timestamp.before.max.ms'),
    timestampAfterMaxMs: bound(configs, 'message.timestamp.after.max.ms'),
  };
}
