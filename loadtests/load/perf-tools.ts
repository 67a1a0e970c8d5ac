/** Apache Kafka's ProducerPerformance and ConsumerPerformance as load generators: neither side's own. */
import { spawn } from 'node:child_process';
import type { Measured } from '../compare/bench.ts';
import { type KafkaAccess, jarsOf, writeClient } from '../servers/kafka-node.ts';

const recordBytes = 1024;
const runMsMax = 120_000;

export interface PerfTools {
  /** Unpaced with `recordsPerSecond` -1. */
  produce(topic: string, records: number, recordsPerSecond: number): Promise<Measured>;
  /** From the start of the topic, in a group of its own. */
  consume(topic: string, records: number): Promise<Measured>;
}

export function perfTools(dist: string, folder: string, access: KafkaAccess): PerfTools {
  const config = writeClient(folder, access);
  const run = (tool: string, args: readonly string[]): Promise<string> =>
    outputOf([
      '-Xmx512m',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
      '-cp',
      jarsOf(dist),
      `org.apache.kafka.tools.${tool}`,
      '--bootstrap-server',
      access.bootstrap,
      '--command-config',
      config,
      ...args,
    ]);
  return {
    async produce(topic, records, recordsPerSecond) {
      const output = await run('ProducerPerformance', [
        '--topic',
        topic,
        '--num-records',
        String(records),
        '--record-size',
        String(recordBytes),
        '--throughput',
        String(recordsPerSecond),
        '--reporting-interval',
        '3600000',
        '--command-property',
        'acks=all',
        'batch.size=65536',
        'linger.ms=5',
      ]);
      return produced(output);
    },
    async consume(topic, records) {
      return consumed(await run('ConsumerPerformance', ['--topic', topic, '--num-records', String(records)]));
    },
  };
}

/** "50000 records sent, 9984.0 records/sec (9.75 MB/sec), 5.1 ms avg latency, 310.0 ms max latency, 3 ms 50th, …" */
export function produced(output: string): Measured {
  const sums = /(\d+) records sent, ([\d.]+) records\/sec .* ms avg latency, ([\d.]+) ms max latency/.exec(output);
  const parts = /(\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th, (\d+) ms 99\.9th/.exec(output);
  if (!sums || !parts) throw new Error(`ProducerPerformance says:\n${output}`);
  const operations = Number(sums[1]);
  const us = (text: string | undefined): number => Number(text) * 1e3;
  return {
    operations,
    bytes: operations * recordBytes,
    seconds: operations / Number(sums[2]),
    latency: { p50: us(parts[1]), p99: us(parts[2]), p999: us(parts[3]), max: us(sums[3]) },
  };
}

/** Columns: start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s. */
export function consumed(output: string): Measured {
  const row = output
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .find((cells) => cells.length === 10 && /^\d{4}-/.test(cells[0]!));
  if (!row) throw new Error(`ConsumerPerformance says:\n${output}`);
  // The wait for the group is not what is compared.
  return { operations: Number(row[4]), bytes: Number(row[2]) * 2 ** 20, seconds: Number(row[7]) / 1e3 };
}

function outputOf(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('java', args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: runMsMax });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`exit code ${code}: java ${args.join(' ')}\n${output}`));
    });
  });
}
