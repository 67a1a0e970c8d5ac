/**
 * Apache Kafka 4.3.1 beside Headgate: one node in KRaft mode with a SASL/PLAIN user, and its official tools as clients of
 * either. The jars come from `npm run clients -- --target kafka`, which puts them into .cache.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

export interface KafkaAccess {
  readonly bootstrap: string;
  readonly username: string;
  readonly password: string;
}

export interface ApacheKafka {
  readonly pid: number;
  readonly access: KafkaAccess;
  topic(name: string, partitions: number, configs: Readonly<Record<string, string>>): void;
  stop(): void;
}

const startWaitMsMax = 60_000;

/** Where .ci/clients/setup puts the jars. */
export function jarsOf(dist: string): string {
  const folder = join(dirname(dist), '.cache', 'clients', 'kafka');
  if (!existsSync(folder)) throw new Error(`no Kafka in ${folder}: run .ci/clients/setup kafka`);
  return join(folder, '*');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Kafka's own defaults but for what a single node needs; a heap of 1 GiB, as its start script gives. */
export async function startApacheKafka(dist: string, data: string): Promise<ApacheKafka> {
  const [port, controllerPort] = [await freePort(), await freePort()];
  const access = { bootstrap: `127.0.0.1:${port}`, username: 'bench', password: randomBytes(12).toString('hex') };
  const config = join(data, 'server.properties');
  writeFileSync(config, properties(data, port, controllerPort, access));
  const java = [
    '-Xmx1g',
    '-Xms1g',
    '-XX:+UseG1GC',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=info',
    '-cp',
    jarsOf(dist),
  ];
  const id = randomBytes(16).toString('base64url');
  const format = spawnSync('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', config]);
  if (format.status !== 0) throw new Error(`Kafka's storage: ${format.stderr}`);
  const broker = spawn('java', [...java, 'kafka.Kafka', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  process.once('exit', () => broker.kill('SIGKILL'));
  await lineOf(broker, 'Kafka Server started');
  return {
    pid: broker.pid!,
    access,
    topic(name, partitions, configs) {
      const flags = Object.entries(configs).flatMap(([key, value]) => ['--config', `${key}=${value}`]);
      const tool = ['org.apache.kafka.tools.TopicCommand', '--bootstrap-server', access.bootstrap];
      const connection = ['--command-config', writeClient(data, access)];
      const made = spawnSync('java', [
        '-Xmx128m',
        '-cp',
        jarsOf(dist),
        ...tool,
        ...connection,
        '--create',
        '--topic',
        name,
        '--partitions',
        String(partitions),
        ...flags,
      ]);
      if (made.status !== 0) throw new Error(`topic ${name}: ${made.stderr}`);
    },
    stop: () => broker.kill('SIGKILL'),
  };
}

function properties(data: string, port: number, controllerPort: number, { username, password }: KafkaAccess): string {
  const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  return Object.entries({
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
    'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${login} username="${username}" password="${password}" user_${username}="${password}";`,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** A properties file for Kafka's tools; returns its path. */
export function writeClient(folder: string, { username, password }: KafkaAccess): string {
  const path = join(folder, 'client.properties');
  const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  const jaas = `${login} username="${username}" password="${password}";`;
  writeFileSync(path, `security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=${jaas}\n`);
  return path;
}

function lineOf(child: ChildProcess, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const last: string[] = [];
    const deadline = setTimeout(() => reject(new Error(`Kafka does not start:\n${last.join('\n')}`)), startWaitMsMax);
    for (const output of [child.stdout!, child.stderr!]) {
      createInterface({ input: output }).on('line', (line) => {
        last.push(line);
        if (last.length > 50) last.shift();
        if (!line.includes(wanted)) return;
        clearTimeout(deadline);
        resolve();
      });
    }
    child.once('exit', (code) => reject(new Error(`Kafka ended with code ${code}:\n${last.join('\n')}`)));
  });
}
