/** Apache Kafka's ProducerPerformance and ConsumerPerformance as load generators: neither side's own. */
import { spawn } from 'node:child_process';
import type { Measured } from '../compare/bench.ts';
import { type KafkaAccess, jarsOf, writeClient } from '../servers/kafka-node.ts';

const recordBytes = 1024;
const runMsMax = 120_000;

export interface PerfTools {
  /**
   * Unpaced with `recordsPerSecond` -1. `warmUpRecords` are sent before `records` and count in no rate and no latency:
   * for the first second or two the tool's virtual machine is cold and sends late, whatever the server does (KIP-1052).
   */
  produce(topic: string, records: number, warmUpRecords: number, recordsPerSecond: number): Promise<Measured>;
  /** From the start of the topic, in its own group. */
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
    async produce(topic, records, warmUpRecords, recordsPerSecond) {
      const output = await run('ProducerPerformance', [
        '--topic',
        topic,
        '--num-records',
        String(warmUpRecords + records),
        '--warmup-records',
        String(warmUpRecords),
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
      return produced(output, warmUpRecords + records);
    },
    async consume(topic, records) {
      return consumed(await run('ConsumerPerformance', ['--topic', topic, '--num-records', String(records)]));
    },
  };
}

/**
 * "30000 steady state records sent, 9984.0 records/sec (9.75 MB/sec), 5.1 ms avg latency, 310.0 ms max latency, 3 ms 50th,
 * …". Operations and bytes cover all records sent, because the servers' CPU is counted for all; their time is what they
 * would have taken at the steady rate.
 */
function produced(output: string, sent: number): Measured {
  const line = output.split('\n').find((text) => text.includes('steady state records sent')) ?? '';
  const sums = / ([\d.]+) records\/sec .* ms avg latency, ([\d.]+) ms max latency/.exec(line);
  const parts = /(\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th, (\d+) ms 99\.9th/.exec(line);
  if (!sums || !parts) throw new Error(`ProducerPerformance says:\n${output}`);
  const us = (text: string | undefined): number => Number(text) * 1e3;
  return {
    operations: sent,
    bytes: sent * recordBytes,
    seconds: sent / Number(sums[1]),
    latency: { p50: us(parts[1]), p99: us(parts[2]), p999: us(parts[3]), max: us(sums[2]) },
  };
}

/** Columns: start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s. */
function consumed(output: string): Measured {
  const row = output
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .find((cells) => cells.length === 10 && /^\d{4}-/.test(cells[0]!));
  if (!row) throw new Error(`ConsumerPerformance says:\n${output}`);
  // Excludes the wait for the group, which is not being compared.
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
