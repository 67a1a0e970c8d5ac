/**
 * SIGKILLs a broker, and all brokers of a zone at once, and measures how long until each partition takes a durable write
 * again, for Headgate and for Apache Kafka in the same run and with the same probe. The pause of a partition is what a
 * client sees: from the kill to the answer to the first write that was sent after it.
 */
import type { BrokerFacts, Instance } from '../../bin/demo/instance.ts';
import type { Bench, BenchEnvironment, Fact } from '../compare/bench.ts';
import { quantile } from '../compare/statistics.ts';
import { WritableProbe } from '../load/writable-probe.ts';
import { startKafkaCluster } from '../servers/apache-kafka.ts';
import { startHeadgate } from '../servers/serve.ts';

const topicPartitions = 100;
const calmMs = 2_000;
/** Share by which no broker may have more or fewer partitions than another has on average, before the next kill. */
const unevenMax = 0.15;
const evenWaitMsMax = 60_000;
const pollMs = 100;
/** After this long a partition counts as stuck. */
const waitMsMax = 60_000;
const replicationWaitMsMax = 120_000;
const kafkaReplicas = 3;
/** No further kill after this: Apache Kafka takes at least twenty seconds for one. */
const killsMsMax = 90_000;

interface Site {
  readonly name: string;
  readonly kills: number;
  readonly topics: readonly string[];
  readonly probe: WritableProbe;
  /** SIGKILL of the `kill`-th broker in turn. */
  kill(kill: number): Promise<void>;
  /** Waits until the next kill meets the same conditions as the first one. */
  recover(kill: number): Promise<void>;
}

export const killToWritable: Bench = {
  name: 'kill-to-writable',
  about:
    'From SIGKILL of one of three brokers to the first durable write of each partition sent after it; goal: p99 at most 500 ms with 3,000 partitions',
  unit: 'kills',
  async facts(environment: BenchEnvironment) {
    const topics = topicNames(environment, 30);
    const kills = Math.max(2, Math.round(10 * environment.scale));
    const ours = await ofHeadgate(environment, { name: 'Headgate', topics, kills, brokers: 3, victims: oneOf });
    return [...ours, ...(await ofKafka(environment, topics, Math.max(1, Math.round(3 * environment.scale))))];
  },
};

export const zoneLossToWritable: Bench = {
  name: 'zone-loss-to-writable',
  about:
    'From SIGKILL of all brokers of one of three zones to the first durable write of each partition sent after it; goal: p99 at most 2 s with 10,000 partitions',
  unit: 'kills',
  facts: (environment: BenchEnvironment) =>
    ofHeadgate(environment, {
      name: 'Headgate, a zone of two brokers',
      topics: topicNames(environment, 100),
      kills: Math.max(2, Math.round(5 * environment.scale)),
      brokers: 6,
      victims: (brokers, kill) => brokers.filter(({ zone }) => zone === oneOf(brokers, kill)[0]!.zone),
    }),
};

function topicNames(environment: BenchEnvironment, count: number): string[] {
  return Array.from({ length: Math.max(2, Math.round(count * environment.scale)) }, (_, i) => `kill-${i}`);
}

function oneOf(brokers: readonly BrokerFacts[], kill: number): readonly BrokerFacts[] {
  return [brokers[kill % brokers.length]!];
}

interface OfHeadgate extends Pick<Site, 'name' | 'topics' | 'kills'> {
  readonly brokers: number;
  /** The serving brokers that die in the `kill`-th kill. */
  readonly victims: (serving: readonly BrokerFacts[], kill: number) => readonly BrokerFacts[];
}

async function ofHeadgate(environment: BenchEnvironment, options: OfHeadgate): Promise<Fact[]> {
  const { name, topics, kills, brokers, victims } = options;
  const flags = ['--durability', 'fsync', '--spare-brokers', '1', '--brokers', String(brokers)];
  const headgate = await startHeadgate(environment, flags, false);
  const { instance } = headgate;
  const { HEADGATE_SASL_USERNAME: username, HEADGATE_SASL_PASSWORD: password } = instance.environment;
  const probe = new WritableProbe({
    bootstrap: [instance.kafka],
    credentials: { username: username!, password: password! },
  });
  try {
    for (const topic of topics) await headgate.topic(topic, topicPartitions);
    return await measure(environment, {
      name,
      kills,
      topics,
      probe,
      async kill(kill) {
        const serving = (await instance.brokers()).filter(({ state }) => state === 'serving');
        for (const { pid } of victims(serving, kill)) process.kill(pid, 'SIGKILL');
      },
      recover: () => untilEven(instance, brokers),
    });
  } finally {
    await probe.close();
    await headgate.stop();
  }
}

/**
 * Waits until all brokers serve again with their share of the partitions, and a while longer. Otherwise the next kill would
 * hit a broker or a zone that has half of everything, because the ones that died before have not got theirs back.
 */
async function untilEven(instance: Instance, brokers: number): Promise<void> {
  const deadlineMs = performance.now() + evenWaitMsMax;
  for (;;) {
    const counts = (await instance.brokers())
      .filter(({ state }) => state === 'serving')
      .map(({ partitions }) => partitions);
    const even = counts.reduce((sum, count) => sum + count, 0) / brokers;
    if (counts.length === brokers && counts.every((count) => Math.abs(count - even) <= unevenMax * even)) break;
    if (performance.now() > deadlineMs) throw new Error(`brokers are not even again: ${counts.join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  await new Promise((resolve) => setTimeout(resolve, calmMs));
}

async function ofKafka(environment: BenchEnvironment, topics: readonly string[], kills: number): Promise<Fact[]> {
  const nodes = await startKafkaCluster(environment);
  if (!nodes) {
    environment.log('no Apache Kafka beside it: `.ci/clients/setup kafka` fetches the jars, and Java is needed');
    return [];
  }
  const probe = new WritableProbe({ bootstrap: nodes.map(({ address }) => address) });
  try {
    for (const topic of topics) await probe.createTopic(topic, topicPartitions, kafkaReplicas);
    await probe.untilReplicated(topics, kafkaReplicas, replicationWaitMsMax);
    return await measure(environment, {
      name: 'Apache Kafka, three replicas',
      kills,
      topics,
      probe,
      kill: (kill) => nodes[kill % nodes.length]!.kill(),
      async recover(kill) {
        await nodes[kill % nodes.length]!.start();
        await probe.untilReplicated(topics, kafkaReplicas, replicationWaitMsMax);
      },
    });
  } finally {
    await probe.close();
    await Promise.all(nodes.map((node) => node.kill()));
  }
}

async function measure(environment: BenchEnvironment, site: Site): Promise<Fact[]> {
  const { name, topics, kills, probe } = site;
  const write = (sinceMs: number): Promise<number[][]> =>
    Promise.all(topics.map((topic) => probe.untilWritable(topic, topicPartitions, sinceMs, waitMsMax)));
  await write(performance.now());
  const pauses: number[] = [];
  const beganMs = performance.now();
  let done = 0;
  for (let kill = 0; kill < kills && performance.now() - beganMs < killsMsMax; kill++) {
    const sinceMs = performance.now();
    await site.kill(kill);
    const ofKill = (await write(sinceMs)).flat();
    pauses.push(...ofKill);
    done++;
    environment.log(
      `${name}, kill ${kill + 1} of ${kills}: all partitions writable after ${Math.max(...ofKill).toFixed(0)} ms`,
    );
    if (kill + 1 < kills && performance.now() - beganMs < killsMsMax) await site.recover(kill);
  }
  const title = `${name}: p50 from kill to writable; kills: ${done}, partitions: ${topics.length * topicPartitions}`;
  return [
    { name: title, value: quantile(pauses, 0.5), unit: 'ms' },
    { name: `${name}: p99`, value: quantile(pauses, 0.99), unit: 'ms' },
    { name: `${name}: longest`, value: Math.max(...pauses), unit: 'ms' },
  ];
}
