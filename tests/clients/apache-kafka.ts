/** One node of Apache Kafka 4.3.1 on free ports over a temporary folder, with a SASL/PLAIN user for each client. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterId } from '../../infra/apache-kafka/cluster-id.ts';
import { type KafkaProperties, nodeProperties } from '../../infra/apache-kafka/node-properties.ts';
import { freePorts } from '../../infra/network/free-ports.ts';
import { cacheFolder } from './cache.ts';
import { finish, Running, until } from './processes.ts';
import type { Access, StartedTarget } from './targets.ts';

const startWaitMsMax = 60_000;
const stopWaitMsMax = 30_000;
/** The user that the node itself authenticates as. */
const self = 'broker';
/** Fifty partitions of the groups' topic take a second to make, and nothing here needs them. */
const fewer = { 'offsets.topic.num.partitions': 4 };

/** The start takes 4.5 s of CPU instead of 8 s; nobody asks this node to be fast afterwards. */
const quickStart = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

/** `more`: properties of the server that are to differ from those above. */
export async function startApacheKafka<Name extends string>(
  clients: readonly Name[],
  more: KafkaProperties = {},
): Promise<StartedTarget<Name>> {
  const data = mkdtempSync(join(tmpdir(), 'apache-kafka-'));
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const users = Object.fromEntries([...clients, self].map((name) => [name, randomBytes(12).toString('hex')]));
  const config = join(data, 'server.properties');
  writeFileSync(config, nodeProperties({ data, port, controllerPort, users, self }, { ...fewer, ...more }));
  const java = [
    '-Xmx512m',
    ...quickStart,
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=info',
    '-cp',
    join(cacheFolder, 'kafka', '*'),
  ];
  await finish({
    command: 'java',
    args: [...java, 'kafka.tools.StorageTool', 'format', '-t', clusterId(randomBytes(16)), '-c', config],
    waitMsMax: startWaitMsMax,
  });
  let started = false;
  const broker = new Running('java', [...java, 'kafka.Kafka', config], {}, (line) => {
    if (line.includes('Kafka Server started')) started = true;
  });
  await until(
    'Apache Kafka starts',
    startWaitMsMax,
    () => {
      if (!broker.isRunning) throw new Error(`Apache Kafka ended:\n${broker.errors.join('\n')}`);
      return started;
    },
    () => broker.errors.join('\n'),
  ).catch(async (error: unknown) => {
    await broker.stop('SIGKILL', stopWaitMsMax);
    rmSync(data, { recursive: true, force: true });
    throw error;
  });
  const access = Object.fromEntries(
    clients.map((name): [string, Access] => [
      name,
      { bootstrap: `127.0.0.1:${port}`, username: name, password: users[name]! },
    ]),
  ) as Record<Name, Access>;
  return {
    name: 'kafka',
    access,
    stop: async () => {
      await broker.stop('SIGTERM', stopWaitMsMax).finally(() => rmSync(data, { recursive: true, force: true }));
    },
  };
}
