/**
 * Three Apache Kafka brokers in KRaft mode with their defaults: each is also a controller, and topics have three replicas,
 * two of which must have a write. From the jars that `.ci/clients/setup kafka` fetches.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { clusterId } from '../../infra/apache-kafka/cluster-id.ts';
import { freePorts } from '../../infra/network/free-ports.ts';
import type { BenchEnvironment } from '../compare/bench.ts';

export interface KafkaNode {
  readonly address: string;
  /** SIGKILL; resolves when it is reaped. */
  kill(): Promise<void>;
  /** Resolves when the program reports that it has started. */
  start(): Promise<void>;
}

const nodeCount = 3;
const startWaitMsMax = 120_000;

/** Undefined where there are no jars or no Java. */
export async function startKafkaCluster(environment: BenchEnvironment): Promise<KafkaNode[] | undefined> {
  const jars = join(dirname(environment.dist), '.cache', 'clients', 'kafka');
  if (!existsSync(jars) || spawnSync('java', ['-version']).status !== 0) return undefined;
  const ports = await freePorts(2 * nodeCount);
  const voters = Array.from({ length: nodeCount }, (_, i) => `${i + 1}@127.0.0.1:${ports[nodeCount + i]}`).join(',');
  const id = clusterId(randomBytes(16));
  const java = ['-Xmx768m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=info', '-cp', join(jars, '*')];
  const nodes = Array.from({ length: nodeCount }, (_, i) => {
    const folder = environment.folder();
    const config = join(folder, 'server.properties');
    writeFileSync(config, properties(i + 1, folder, ports[i]!, ports[nodeCount + i]!, voters));
    const formatted = spawnSync('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', config]);
    if (formatted.status !== 0) throw new Error(`Apache Kafka cannot format its folder: ${formatted.stderr}`);
    return kafkaNode(`127.0.0.1:${ports[i]}`, [...java, 'kafka.Kafka', config]);
  });
  await Promise.all(nodes.map((node) => node.start()));
  return nodes;
}

function properties(id: number, folder: string, port: number, controllerPort: number, voters: string): string {
  const settings: Record<string, string | number> = {
    'process.roles': 'broker,controller',
    'node.id': id,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': voters,
    'log.dirs': join(folder, 'logs'),
    'default.replication.factor': 3,
    'min.insync.replicas': 2,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function kafkaNode(address: string, args: readonly string[]): KafkaNode {
  let child: ChildProcess | undefined;
  return {
    address,
    kill: () =>
      new Promise((resolve) => {
        if (!child || child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
    start: () =>
      new Promise((resolve, reject) => {
        const started = spawn('java', args, { stdio: ['ignore', 'pipe', 'pipe'] });
        child = started;
        process.once('exit', () => started.kill('SIGKILL'));
        const last: string[] = [];
        const fail = (): void => reject(new Error(`Apache Kafka does not start:\n${last.join('\n')}`));
        const deadline = setTimeout(fail, startWaitMsMax);
        for (const stream of [started.stdout, started.stderr]) {
          createInterface({ input: stream }).on('line', (line) => {
            last.push(line);
            if (last.length > 20) last.shift();
            if (!line.includes('Kafka Server started')) return;
            clearTimeout(deadline);
            resolve();
          });
        }
        started.once('exit', fail);
      }),
  };
}
