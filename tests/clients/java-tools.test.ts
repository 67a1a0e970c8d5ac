/** The command line tools of Apache Kafka 4.3.1, by class name. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { cacheFolder } from './cache.ts';
import { clientSuite } from './client.suite.ts';
import { type ClientDriver, compressions, type Join, type Member, type ReadRecord } from './driver.ts';
import { finish, Running } from './processes.ts';
import type { Access } from './targets.ts';

const callWaitMsMax = 90_000;
const leaveWaitMsMax = 20_000;
const idleWaitMsMax = 30_000;
const tools = 'org.apache.kafka.tools';
const java = [
  '-Xmx128m',
  '-XX:TieredStopAtLevel=1',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-cp',
  join(cacheFolder, 'kafka', '*'),
];
const folder = mkdtempSync(join(tmpdir(), 'java-tools-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function connection({ bootstrap, username, password }: Access): string[] {
  const file = join(folder, `${username}.properties`);
  const jaas = `org.apache.kafka.common.security.plain.PlainLoginModule required username="${username}" password="${password}";`;
  writeFileSync(
    file,
    `security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=${jaas}\nsession.timeout.ms=6000\nheartbeat.interval.ms=1000\n`,
  );
  return ['--bootstrap-server', bootstrap, '--command-config', file];
}

function run(at: Access, tool: string, args: readonly string[], input = ''): Promise<string[]> {
  return finish({
    command: 'java',
    args: [...java, tool.startsWith('kafka.') ? tool : `${tools}.${tool}`, ...connection(at), ...args],
    input,
    waitMsMax: callWaitMsMax,
  });
}

/** "CreateTime:1700000000000 Partition:0 Offset:3 value", with tabs. */
function consoleRecords(lines: readonly string[]): ReadRecord[] {
  const found = lines.map((line) => /^CreateTime:(\d+)\tPartition:(\d+)\tOffset:(\d+)\t(.*)$/.exec(line));
  return found.flatMap((match) =>
    match
      ? [
          {
            timestampMs: Number(match[1]),
            partition: Number(match[2]),
            offset: Number(match[3]),
            value: match[4]!,
          },
        ]
      : [],
  );
}

async function consume(at: Access, args: readonly string[], count: number): Promise<ReadRecord[]> {
  const shown = ['print.timestamp', 'print.partition', 'print.offset'];
  const lines = await run(at, 'consumer.ConsoleConsumer', [
    ...args,
    '--max-messages',
    String(count),
    '--timeout-ms',
    String(idleWaitMsMax),
    ...shown.flatMap((name) => ['--formatter-property', `${name}=true`]),
  ]);
  return consoleRecords(lines);
}

interface LogDirs {
  readonly brokers: readonly {
    readonly logDirs: readonly { readonly partitions: readonly { readonly size: number }[] }[];
  }[];
}

interface VerifiableEvent {
  readonly name: string;
  readonly partitions?: readonly { readonly partition: number }[];
  readonly partition?: number;
  readonly offset?: number;
  readonly value?: string;
}

class VerifiableMember implements Member {
  assigned: number[] = [];
  readonly records: { partition: number; offset: number; value: string }[] = [];
  readonly #running: Running;
  #isClosed = false;

  constructor(at: Access, { group, topic }: Join) {
    const args = ['--group-id', group, '--topic', topic, '--session-timeout', '6000', '--verbose'];
    const all = [...java, `${tools}.VerifiableConsumer`, ...connection(at), ...args, '--reset-policy', 'earliest'];
    this.#running = new Running('java', all, {}, (line) => {
      if (line.startsWith('{')) this.#onEvent(JSON.parse(line) as VerifiableEvent);
    });
  }

  #onEvent({ name, partitions = [], partition = -1, offset = -1, value = '' }: VerifiableEvent): void {
    if (name === 'partitions_assigned') this.assigned = partitions.map((each) => each.partition);
    if (name === 'partitions_revoked') this.assigned = [];
    if (name === 'record_data') this.records.push({ partition, offset, value });
    if (name === 'shutdown_complete') this.#isClosed = true;
  }

  get isRunning(): boolean {
    return this.#running.isRunning;
  }

  get errors(): readonly string[] {
    return this.#running.errors;
  }

  async kill(): Promise<void> {
    await this.#running.stop('SIGKILL', leaveWaitMsMax);
    this.assigned = [];
  }

  async leave(): Promise<void> {
    await this.#running.stop('SIGTERM', leaveWaitMsMax);
    if (!this.#isClosed) throw new Error(`it ended without closing: ${this.errors.join('\n')}`);
  }
}

const driver: ClientDriver = {
  compressions,
  produce: async (at, { topic, records, compression, idempotent }) => {
    const args = ['--topic', topic, '--reader-property', 'parse.key=true', '--compression-codec', compression];
    // Its own 1.5 seconds are too few for a busy machine: what is sent again without idempotence is there twice.
    const more = [
      '--request-timeout-ms',
      '30000',
      '--request-required-acks',
      'all',
      '--command-property',
      `enable.idempotence=${idempotent}`,
    ];
    await run(
      at,
      'ConsoleProducer',
      [...args, ...more],
      records.map(({ key, value }) => `${key}\t${value}\n`).join(''),
    );
  },
  read: async (at, { topic, count, sinceMs }) => {
    if (sinceMs === undefined) return consume(at, ['--topic', topic, '--from-beginning'], count);
    const group = `${topic}-since`;
    const time = new Date(sinceMs).toISOString();
    const reset = ['--group', group, '--topic', topic, '--reset-offsets', '--to-datetime', time, '--execute'];
    await run(at, 'consumer.group.ConsumerGroupCommand', reset);
    return consume(at, ['--topic', topic, '--group', group], count);
  },
  member: (at, wanted) => new VerifiableMember(at, wanted),
  take: async (at, { group, topic, count }) =>
    (await consume(at, ['--topic', topic, '--group', group, '--from-beginning'], count)).map(({ value }) => value),
  createTopic: async (at, topic, partitions) => {
    const args = ['--create', '--topic', topic, '--partitions', String(partitions)];
    await run(at, 'TopicCommand', [...args, '--config', 'retention.ms=86400000']);
  },
  addPartitions: async (at, topic, partitions) => {
    await run(at, 'TopicCommand', ['--alter', '--topic', topic, '--partitions', String(partitions)]);
  },
  configs: async (at, topic) => {
    const args = ['--describe', '--all', '--entity-type', 'topics', '--entity-name', topic];
    const found = (await run(at, 'kafka.admin.ConfigCommand', args)).map((line) =>
      /^ {2}([a-z.]+)=(\S*) sensitive=/.exec(line),
    );
    return new Map(found.flatMap((match) => (match ? [[match[1]!, match[2]!] as const] : [])));
  },
  setConfig: async (at, topic, name, value) => {
    const args = ['--alter', '--entity-type', 'topics', '--entity-name', topic, '--add-config', `${name}=${value}`];
    await run(at, 'kafka.admin.ConfigCommand', args);
  },
  deleteRecords: async (at, topic, partition, before) => {
    const file = join(folder, `${topic}.json`);
    writeFileSync(file, JSON.stringify({ version: 1, partitions: [{ topic, partition, offset: before }] }));
    await run(at, 'DeleteRecordsCommand', ['--offset-json-file', file]);
  },
  topics: (at) => run(at, 'TopicCommand', ['--list']),
  describeTopic: async (at, topic) => {
    const lines = await run(at, 'TopicCommand', ['--describe', '--topic', topic]);
    const found = lines.map((line) => /\tPartition: (\d+)\s+Leader: (-?\d+)/.exec(line));
    return new Map(found.flatMap((match) => (match ? [[Number(match[1]), Number(match[2])] as const] : [])));
  },
  groups: (at) => run(at, 'consumer.group.ConsumerGroupCommand', ['--list']),
  describeGroup: async (at, group) => {
    const lines = await run(at, 'consumer.group.ConsumerGroupCommand', ['--describe', '--group', group, '--state']);
    const columns = lines
      .find((line) => line.startsWith(`${group} `))
      ?.trim()
      .split(/\s+/);
    if (!columns) throw new Error(`not described:\n${lines.join('\n')}`);
    return { state: columns.at(-2)!.toLowerCase(), members: Number(columns.at(-1)) };
  },
  committed: async (at, { group, topic }) => {
    const lines = await run(at, 'consumer.group.ConsumerGroupCommand', ['--describe', '--group', group]);
    const rows = lines.map((line) => line.split(/\s+/)).filter((row) => row[0] === group && row[1] === topic);
    return new Map(rows.map((row) => [Number(row[2]), Number(row[3])]));
  },
  deleteGroup: async (at, group) => {
    // The tool exits with 0 whether or not it could.
    const text = (await run(at, 'consumer.group.ConsumerGroupCommand', ['--delete', '--group', group])).join('\n');
    if (/could not be deleted/.test(text)) throw new Error(text);
  },
  deleteTopic: async (at, topic) => {
    await run(at, 'TopicCommand', ['--delete', '--topic', topic]);
  },
};

clientSuite('java-tools', driver, (at) => {
  it('moves replicas under a throttle, which is shown meanwhile and gone afterwards', async () => {
    await driver.createTopic!(at, 'throttled', 2);
    const file = join(folder, `moves-of-${at.username}.json`);
    const partitions = [0, 1].map((partition) => ({ topic: 'throttled', partition, replicas: [1] }));
    writeFileSync(file, JSON.stringify({ version: 1, partitions }));
    const move = (act: readonly string[]): Promise<string[]> =>
      run(at, 'reassign.ReassignPartitionsCommand', ['--reassignment-json-file', file, ...act]);
    const rates = async (): Promise<string[]> => {
      const lines = await run(at, 'kafka.admin.ConfigCommand', [
        '--describe',
        '--entity-type',
        'brokers',
        '--entity-name',
        '1',
      ]);
      return lines.flatMap((line) => /^ {2}(\S+replication\.throttled\.rate=.*)$/.exec(line)?.[1] ?? []).sort();
    };
    const settings = 'leader.replication.throttled.rate=2000,follower.replication.throttled.rate=3000';
    const brokers = ['--entity-type', 'brokers', '--entity-name', '1'];
    await run(at, 'kafka.admin.ConfigCommand', ['--alter', ...brokers, '--add-config', settings]);
    expect(await rates()).toEqual([
      'follower.replication.throttled.rate=3000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:follower.replication.throttled.rate=3000}',
      'leader.replication.throttled.rate=2000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:leader.replication.throttled.rate=2000}',
    ]);
    expect((await move(['--execute', '--throttle', '1000000'])).join('\n')).toMatch(/Successfully started/);
    await expect
      .poll(async () => (await move(['--verify'])).join('\n'), { timeout: callWaitMsMax })
      .toMatch(/throttled-0 is completed[^]*throttled-1 is completed[^]*Clearing topic-level throttles/);
    expect(await rates()).toEqual([]);
    expect(await run(at, 'TopicCommand', ['--describe', '--topic', 'throttled'])).not.toContainEqual(
      expect.stringContaining('throttled.replicas'),
    );
  });

  it('runs ProducerPerformance', async () => {
    await driver.createTopic!(at, 'performance', 6);
    const size = ['--num-records', '20000', '--record-size', '1024', '--throughput', '-1'];
    const lines = await run(at, 'ProducerPerformance', ['--topic', 'performance', ...size]);
    expect(lines.join('\n')).toMatch(/^20000 records sent/m);
    const offsets = await run(at, 'GetOffsetShell', ['--topic', 'performance']);
    const ends = offsets.flatMap((line) => /^performance:\d+:(\d+)$/.exec(line)?.[1] ?? []).map(Number);
    expect(ends.reduce((sum, end) => sum + end, 0)).toBe(20_000);
    const described = await run(at, 'LogDirsCommand', ['--describe', '--topic-list', 'performance']);
    const { brokers } = JSON.parse(described.find((line) => line.startsWith('{'))!) as LogDirs;
    for (const { logDirs } of brokers) {
      const sizes = logDirs.flatMap(({ partitions }) => partitions.map(({ size }) => size));
      expect(sizes).toHaveLength(6);
      const recordBytes = sizes.reduce((sum, size) => sum + size, 0) / 20_000;
      expect(recordBytes).toBeGreaterThan(1_024);
      expect(recordBytes).toBeLessThan(1_100);
    }
  });

  it('runs VerifiableProducer', async () => {
    await driver.createTopic!(at, 'verified', 3);
    const lines = await run(at, 'VerifiableProducer', ['--topic', 'verified', '--max-messages', '500', '--acks', '-1']);
    const data = lines.find((line) => line.includes('"tool_data"')) ?? '{}';
    expect(JSON.parse(data)).toMatchObject({ sent: 500, acked: 500 });
    const read = await driver.read(at, { topic: 'verified', count: 500 });
    expect(read.map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 500 }, (_, i) => i),
    );
  });
});
