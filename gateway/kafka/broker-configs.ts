/**
 * Configs of virtual brokers that can be set: the rates by which Kafka throttles the copying of a replica move. Headgate
 * copies nothing here, so it keeps to any rate. Tools that set a rate before they move replicas
 * (kafka-reassign-partitions.sh `--throttle`, topicctl) would fail without these configs. They belong to one cluster, like
 * everything it sees of brokers.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { nodeCount } from './advertised.ts';

export const throttleRates: readonly string[] = [
  'follower.replication.throttled.rate',
  'leader.replication.throttled.rate',
  'replica.alter.log.dirs.io.max.bytes.per.second',
];

/** Kafka's name for the defaults of all brokers is the empty one. */
export function isBrokerName(name: string): boolean {
  return name === '' || (/^\d{1,4}$/.test(name) && Number(name) >= 1 && Number(name) <= nodeCount);
}

/** The key in the cluster's row. */
export function brokerConfigKey(broker: string, config: string): string {
  return `${broker} ${config}`;
}

/** The configs set for a broker, or for all of them. */
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

/** A config that is not set may be removed, whatever its name. Throws InvalidRequest. */
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
