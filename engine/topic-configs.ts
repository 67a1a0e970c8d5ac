/**
 * The topic configs that the engine accepts, with Kafka's names, texts and defaults. A config that is not in this table is
 * refused by name: accepting a setting and not keeping its promise would be a silent lie.
 *
 * Most configs take effect. Some are about Kafka's own files, cleaner and replicas; whatever value they have, what they
 * promise holds here anyway (`alwaysHolds`). Kafka Streams, Connect and Terraform cannot create their topics without them.
 * flush.* and max.compaction.lag.ms are left out because their promise would not be kept (flush.*: not with page-cache
 * durability).
 */
export type ConfigKind = 'long' | 'int' | 'double' | 'boolean' | 'text';

export interface TopicConfig {
  readonly name: string;
  readonly kind: ConfigKind;
  readonly default: string;
  readonly min?: number;
  readonly max?: number;
  /** A number outside these bounds that is accepted as well. */
  readonly orEqual?: number;
  /** For texts: the allowed values. */
  readonly values?: readonly string[];
  /** For texts without `values`: the pattern that each word must match. */
  readonly words?: RegExp;
  /** Of Kafka's type LIST: values can be appended and removed. */
  readonly isList?: true;
  /** Needs no action. Validated, stored, and shown when somebody has set it. */
  readonly alwaysHolds?: true;
  readonly about: string;
}

const longMax = Number.MAX_SAFE_INTEGER;
const intMax = 0x7fff_ffff;

const actedOn: readonly TopicConfig[] = [
  {
    name: 'cleanup.policy',
    kind: 'text',
    default: 'delete',
    values: ['compact', 'delete'],
    isList: true,
    about:
      'delete: old records are deleted by age and size. compact: the latest record of each key is kept, and older ones are not removed either, so the topic grows. Empty: everything is kept.',
  },
  {
    name: 'compression.gzip.level',
    kind: 'int',
    default: '-1',
    min: 1,
    max: 9,
    orEqual: -1,
    about: 'Level at which batches are recompressed when compression.type is gzip; -1 is the default level.',
  },
  {
    name: 'compression.type',
    kind: 'text',
    default: 'producer',
    values: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    about: 'How record batches are stored: as the producer compressed them, or recompressed.',
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
    // Kafka sets no lower bound here and reads every negative number as no limit.
    min: -longMax,
    max: longMax,
    about: 'Bytes that a partition keeps before old records are deleted; -1: no limit.',
  },
  {
    name: 'retention.ms',
    kind: 'long',
    default: '604800000',
    min: -1,
    max: longMax,
    about: 'How long records are kept; -1: for ever.',
  },
];

const filesAbout = 'About the files in which Kafka stores a partition; there are none here, so it has no effect.';
const cleanerAbout = 'For the cleaner that removes older records of a key; none are removed here, so it has no effect.';

const levelAbout = 'For a compressor that has a single level here, so it has no effect on what is stored.';

const throttledAbout =
  'Replicas that are copied more slowly while they move; nothing is copied here, so it has no effect.';
/** A partition and a broker, or `*` for all. */
const throttledReplica = /^(\d{1,10}:\d{1,10}|\*)?$/;
/** Limits a text that anybody may fill in freely, because every process keeps every topic in memory. */
const wordsLengthMax = 8_192;

const holding: readonly Omit<TopicConfig, 'alwaysHolds'>[] = [
  { name: 'compression.lz4.level', kind: 'int', default: '9', min: 1, max: 17, about: levelAbout },
  { name: 'compression.zstd.level', kind: 'int', default: '3', min: -131_072, max: 22, about: levelAbout },
  { name: 'delete.retention.ms', kind: 'long', default: '86400000', min: 0, max: longMax, about: cleanerAbout },
  { name: 'file.delete.delay.ms', kind: 'long', default: '60000', min: 0, max: longMax, about: filesAbout },
  {
    name: 'follower.replication.throttled.replicas',
    kind: 'text',
    default: '',
    words: throttledReplica,
    isList: true,
    about: throttledAbout,
  },
  { name: 'index.interval.bytes', kind: 'int', default: '4096', min: 0, max: intMax, about: filesAbout },
  {
    name: 'leader.replication.throttled.replicas',
    kind: 'text',
    default: '',
    words: throttledReplica,
    isList: true,
    about: throttledAbout,
  },
  { name: 'min.cleanable.dirty.ratio', kind: 'double', default: '0.5', min: 0, max: 1, about: cleanerAbout },
  { name: 'min.compaction.lag.ms', kind: 'long', default: '0', min: 0, max: longMax, about: cleanerAbout },
  {
    name: 'min.insync.replicas',
    kind: 'int',
    default: '1',
    min: 1,
    max: intMax,
    about:
      'Replicas that must have a record before it is acknowledged; all share one storage here, which has it by then.',
  },
  { name: 'preallocate', kind: 'boolean', default: 'false', about: filesAbout },
  { name: 'segment.bytes', kind: 'int', default: '1073741824', min: 1_048_576, max: intMax, about: filesAbout },
  { name: 'segment.index.bytes', kind: 'int', default: '10485760', min: 4, max: intMax, about: filesAbout },
  { name: 'segment.jitter.ms', kind: 'long', default: '0', min: 0, max: longMax, about: filesAbout },
  { name: 'segment.ms', kind: 'long', default: '604800000', min: 1, max: longMax, about: filesAbout },
  {
    name: 'unclean.leader.election.enable',
    kind: 'boolean',
    default: 'false',
    about: 'Whether a replica that lacks records may become leader; here none ever does.',
  },
];

/** Sorted by name. */
export const topicConfigs: readonly TopicConfig[] = [
  ...actedOn,
  ...holding.map((config): TopicConfig => ({ ...config, alwaysHolds: true })),
].sort((a, b) => (a.name < b.name ? -1 : 1));

const byName: ReadonlyMap<string, TopicConfig> = new Map(topicConfigs.map((c) => [c.name, c]));

/** The settings that the broker acts on. Numbers are Infinity where Kafka says -1 or long.max. */
export interface TopicSettings {
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly messageBytesMax: number;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  /** A compacted topic: a record without a key could never be replaced by a later one, so it is refused. */
  readonly requiresKeys: boolean;
  readonly compressionType: CompressionType;
  /** zlib's scale; -1 lets zlib choose. */
  readonly gzipLevel: number;
}

export type CompressionType = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** Undefined when `text` is a legal value of `name`; otherwise a sentence that names the config and the values it takes. */
export function topicConfigFault(name: string, text: string): string | undefined {
  const config = byName.get(name);
  if (!config)
    return `Topic config '${name}' is not supported. Supported: ${topicConfigs.map((c) => c.name).join(', ')}`;
  const fault = config.kind === 'text' ? textFault(config, text) : numberFault(config, text.trim());
  return fault === undefined ? undefined : `Invalid value ${text} for configuration ${name}: ${fault}`;
}

function textFault({ values = [], words, isList }: TopicConfig, text: string): string | undefined {
  const said = isList ? wordsOf(text) : [text];
  if (words) {
    if (text.length > wordsLengthMax) return `must be at most ${wordsLengthMax} characters long`;
    const isAll = said.length === 1 || !said.includes('*');
    return isAll && said.every((word) => words.test(word)) ? undefined : 'must be * or partition:broker,…';
  }
  return said.every((word) => values.includes(word)) ? undefined : `must be one of ${values.join(', ')}`;
}

/** The empty text is the empty list. */
function wordsOf(text: string): string[] {
  return text.trim() === '' ? [] : text.split(',').map((word) => word.trim());
}

const shapes = { long: /^[-+]?\d{1,19}$/, int: /^[-+]?\d{1,19}$/, double: /^[-+]?\d{1,19}(\.\d{1,19})?$/ };

function numberFault({ kind, min = -longMax, max = longMax, orEqual }: TopicConfig, text: string): string | undefined {
  if (kind === 'text') return undefined;
  if (kind === 'boolean') return /^(true|false)$/i.test(text) ? undefined : 'must be true or false';
  if (!shapes[kind].test(text)) return `not a number of type ${kind}`;
  const value = Number(text);
  if (value === orEqual) return undefined;
  if (orEqual !== undefined && (value < min || value > max)) return `must be ${orEqual}, or from ${min} to ${max}`;
  if (value < min) return `must be at least ${min}`;
  return value > max && text !== '9223372036854775807' ? `must be at most ${max}` : undefined;
}

/** The value in effect: blanks around a number are dropped, and a list has each word once, as in Kafka. */
export function topicConfigValue(configs: Readonly<Record<string, string>>, name: string): string {
  const config = byName.get(name)!;
  const text = (configs[name] ?? config.default).trim();
  if (config.kind === 'boolean') return text.toLowerCase();
  return config.isList ? [...new Set(wordsOf(text))].join(',') : text;
}

/** The words of a list config; undefined for every other config. */
export function topicConfigWords(configs: Readonly<Record<string, string>>, name: string): string[] | undefined {
  return byName.get(name)?.isList ? wordsOf(topicConfigValue(configs, name)) : undefined;
}

export function requiresKeys(configs: Readonly<Record<string, string>>): boolean {
  return configs['cleanup.policy'] !== undefined && wordsOf(configs['cleanup.policy']).includes('compact');
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
    requiresKeys: requiresKeys(configs),
    compressionType: topicConfigValue(configs, 'compression.type') as CompressionType,
    gzipLevel: Number(topicConfigValue(configs, 'compression.gzip.level')),
  };
}
