/**
 * Apache Kafka 4.3.1 beside Headgate: one node in KRaft mode with a SASL/PLAIN user, and its official tools as clients
 * of either server. The jars come from `npm run clients -- --target kafka`, which puts them into .cache.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { clusterId } from '../../infra/apache-kafka/cluster-id.ts';
import { clientProperties, nodeProperties } from '../../infra/apache-kafka/node-properties.ts';
import { freePorts } from '../../infra/network/free-ports.ts';

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

/** Kafka's own defaults except for what a single node needs; a heap of 1 GiB, as its start script sets. */
export async function startApacheKafka(dist: string, data: string): Promise<ApacheKafka> {
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const access = { bootstrap: `127.0.0.1:${port}`, username: 'bench', password: randomBytes(12).toString('hex') };
  const config = join(data, 'server.properties');
  const { username: self, password } = access;
  writeFileSync(config, nodeProperties({ data, port, controllerPort, users: { [self]: password }, self }));
  const java = [
    '-Xmx1g',
    '-Xms1g',
    '-XX:+UseG1GC',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=info',
    '-cp',
    jarsOf(dist),
  ];
  const format = spawnSync('java', [
    ...java,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    clusterId(randomBytes(16)),
    '-c',
    config,
  ]);
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

/** A properties file for Kafka's tools; returns its path. */
export function writeClient(folder: string, { username, password }: KafkaAccess): string {
  const path = join(folder, 'client.properties');
  writeFileSync(path, clientProperties(username, password));
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
