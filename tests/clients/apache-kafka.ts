/** One node of Apache Kafka 4.3.1 on free ports over a temporary folder, with a SASL/PLAIN user for each client. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from './cache.ts';
import { finish, Running, until } from './processes.ts';
import type { Access, StartedTarget } from './targets.ts';

const startWaitMsMax = 60_000;
const stopWaitMsMax = 30_000;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

interface Node {
  readonly data: string;
  readonly port: number;
  readonly controllerPort: number;
  readonly users: Readonly<Record<string, string>>;
}

type Properties = Readonly<Record<string, string | number>>;

function properties({ data, port, controllerPort, users }: Node, more: Properties): string {
  const jaas = Object.entries(users).map(([user, password]) => `user_${user}="${password}"`);
  const settings: Record<string, string | number> = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    listeners: `SASL_PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `SASL_PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'SASL_PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'log.dirs': join(data, 'logs'),
    'sasl.enabled.mechanisms': 'PLAIN',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.sasl_plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required username="broker" password="${users['broker']}" ${jaas.join(' ')};`,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'offsets.topic.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,
    ...more,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** `more`: properties of the server that are to differ from those above. */
export async function startApacheKafka<Name extends string>(
  clients: readonly Name[],
  more: Properties = {},
): Promise<StartedTarget<Name>> {
  const data = mkdtempSync(join(tmpdir(), 'apache-kafka-'));
  const [port, controllerPort] = [await freePort(), await freePort()];
  const users = Object.fromEntries([...clients, 'broker'].map((name) => [name, randomBytes(12).toString('hex')]));
  const config = join(data, 'server.properties');
  writeFileSync(config, properties({ data, port, controllerPort, users }, more));
  const java = ['-Xmx512m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=info', '-cp', join(cacheFolder, 'kafka', '*')];
  const id = randomBytes(16).toString('base64url');
  await finish({
    command: 'java',
    args: [...java, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', config],
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
  );
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
