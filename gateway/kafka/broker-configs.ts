/**
 * Configs of virtual brokers that can be set: the rates by which Kafka throttles what a move of replicas copies. Nothing is
 * copied here, so any rate is kept to; tools that set one before they move replicas (kafka-reassign-partitions.sh
 * `--throttle`, topicctl) would not go on without. They are a cluster's own, as all that it is shown of brokers.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { nodeCount } from './advertised.ts';

export const throttleRates: readonly string[] = [
  'follower.replication.throttled.rate',
  'leader.replication.throttled.rate',
  'replica.alter.log.dirs.io.max.bytes.per.second',
];

/** Kafka's name for what holds for all brokers unless one says otherwise is the empty one. */
export function isBrokerName(name: string): boolean {
  return name === '' || (/^\d{1,4}$/.test(name) && Number(name) >= 1 && Number(name) <= nodeCount);
}

/** In the cluster's row. */
export function brokerConfigKey(broker: string, config: string): string {
  return `${broker} ${config}`;
}

/** What is set for a broker, or for all of them, by config. */
export function setOnBroker(
  configs: Readonly<Record<string, string>>,
  broker: string,
): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of throttleRates) {
    const value = configs[brokerConfigKey(broker, name)];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

const longMax = 9_223_372_036_854_775_807n;

/** A config that is not there may be taken back, whatever its name. Throws InvalidRequest. */
export function checkBrokerConfig(name: string, value: string | null): void {
  if (value === null) return;
  const text = value.trim();
  if (!/^\d{1,19}$/.test(text) || BigInt(text) > longMax) {
    throw new InvalidRequest(
      `configs.${name}`,
      `Invalid value ${value} for configuration ${name}: must be a whole number, 0 or more`,
    );
  }
}
