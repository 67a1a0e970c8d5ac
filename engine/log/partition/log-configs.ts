/** The part of a topic's configs that the log uses. */
import type { TopicConfigs } from '../log.ts';

export interface LogConfigs {
  /** message.timestamp.type=LogAppendTime. */
  readonly stampsAppendTime: boolean;
  /** Infinity: kept for ever. Zero means, as in Kafka, that everything may be deleted. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

const retentionMsDefault = 604_800_000;

/** Shared by all logs of a topic: a broker that takes over a thousand logs opens them at once. */
const parsed = new WeakMap<TopicConfigs, LogConfigs>();

/** The texts were validated when they were set; a missing config has Kafka's default. */
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

/** -1 means no limit. */
function limit(text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  return Number.isFinite(value) && value >= 0 ? value : Infinity;
}
