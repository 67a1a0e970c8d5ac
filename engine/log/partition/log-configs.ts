/** What the log uses of a topic's configs. */
import type { TopicConfigs } from '../log.ts';

export interface LogConfigs {
  /** message.timestamp.type=LogAppendTime. */
  readonly stampsAppendTime: boolean;
  /** Infinity: kept for ever. Zero-retention is Kafka's own: everything may go. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

const retentionMsDefault = 604_800_000;

/** One for all logs of a topic: a broker that takes over a thousand opens them at once. */
const parsed = new WeakMap<TopicConfigs, LogConfigs>();

/** Texts were validated when the topic was made; what is missing has Kafka's default. */
export function parseLogConfigs(configs: TopicConfigs): LogConfigs {
  let made = parsed.get(configs);
  if (!made) parsed.set(configs, (made = parse(configs)));
  return made;
}

function parse(configs: TopicConfigs): LogConfigs {
  const policy = configs['cleanup.policy'] ?? 'delete';
  const deletes = policy.split(',').some((word) => word.trim() === 'delete');
  return {
    stampsAppendTime: configs['message.timestamp.type'] === 'LogAppendTime',
    // Without 'delete' in the policy retention does not apply.
    retentionMs: deletes ? limit(configs['retention.ms'], retentionMsDefault) : Infinity,
    retentionBytes: deletes ? limit(configs['retention.bytes'], -1) : Infinity,
  };
}

/** -1 means without limit. */
function limit(text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  return Number.isFinite(value) && value >= 0 ? value : Infinity;
}
