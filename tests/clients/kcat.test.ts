/** kcat has no calls for administration beyond listing what there is. */
import { clientSuite } from './client.suite.ts';
import { type ClientDriver, compressions, type Join, type Member, type ReadRecord } from './driver.ts';
import { finish, Running } from './processes.ts';
import type { Access } from './targets.ts';

const callWaitMsMax = 60_000;
const leaveWaitMsMax = 20_000;
const recordFormat = 'record\t%p\t%o\t%T\t%s\n';

function settings(at: Access, more: Readonly<Record<string, string | number | boolean>> = {}): string[] {
  const all = {
    'bootstrap.servers': at.bootstrap,
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanisms': 'PLAIN',
    'sasl.username': at.username,
    'sasl.password': at.password,
    ...more,
  };
  return Object.entries(all).flatMap(([name, value]) => ['-X', `${name}=${value}`]);
}

function records(lines: readonly string[]): ReadRecord[] {
  return lines
    .map((line) => line.split('\t'))
    .flatMap(([word, partition, offset, timestamp, value]) =>
      word === 'record'
        ? [{ partition: Number(partition), offset: Number(offset), timestampMs: Number(timestamp), value: value! }]
        : [],
    );
}

const groupSettings = {
  'auto.offset.reset': 'earliest',
  'session.timeout.ms': 6000,
  'heartbeat.interval.ms': 1000,
};

class KcatMember implements Member {
  assigned: number[] = [];
  readonly records: ReadRecord[] = [];
  readonly #running: Running;

  constructor(at: Access, { group, topic }: Join) {
    const args = ['-G', group, '-u', '-f', recordFormat, ...settings(at, groupSettings), topic];
    this.#running = new Running('kcat', args, {}, (line) => {
      this.records.push(...records([line]));
      // "% Group sharers rebalanced (memberid …): assigned: shared [0], shared [1]", and "revoked: …".
      const rebalanced = /rebalanced .*: (assigned|revoked): ?(.*)$/.exec(line);
      if (rebalanced?.[1] === 'revoked') this.assigned = [];
      else if (rebalanced) this.assigned = [...rebalanced[2]!.matchAll(/\[(\d+)\]/g)].map(([, n]) => Number(n));
    });
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
  }
}

const kcat: ClientDriver = {
  compressions,
  produce: async (at, { topic, records: given, compression, idempotent }) => {
    const more = { 'enable.idempotence': idempotent, acks: 'all', 'compression.codec': compression };
    await finish({
      command: 'kcat',
      args: ['-P', '-t', topic, '-K', '\t', ...settings(at, more)],
      input: given.map(({ key, value }) => `${key}\t${value}\n`).join(''),
      waitMsMax: callWaitMsMax,
    });
  },
  read: async (at, { topic, sinceMs }) => {
    const from = sinceMs === undefined ? 'beginning' : `s@${sinceMs}`;
    const args = ['-C', '-t', topic, '-o', from, '-e', '-f', recordFormat, ...settings(at)];
    return records(await finish({ command: 'kcat', args, waitMsMax: callWaitMsMax }));
  },
  member: (at, join) => new KcatMember(at, join),
  take: async (at, { group, topic, count }) => {
    const args = ['-G', group, '-c', String(count), '-f', recordFormat, ...settings(at, groupSettings), topic];
    return records(await finish({ command: 'kcat', args, waitMsMax: callWaitMsMax })).map(({ value }) => value);
  },
  topics: async (at) => {
    const lines = await finish({ command: 'kcat', args: ['-L', ...settings(at)], waitMsMax: callWaitMsMax });
    return lines.flatMap((line) => /^ {2}topic "(.*)" with/.exec(line)?.[1] ?? []);
  },
  describeTopic: async (at, topic) => {
    const args = ['-L', '-t', topic, ...settings(at)];
    const lines = await finish({ command: 'kcat', args, waitMsMax: callWaitMsMax });
    const found = lines.map((line) => /^ {4}partition (\d+), leader (-?\d+)/.exec(line));
    return new Map(found.flatMap((match) => (match ? [[Number(match[1]), Number(match[2])] as const] : [])));
  },
};

clientSuite('kcat', kcat);
