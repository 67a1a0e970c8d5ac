/**
 * Clients that are libraries: each has a small program in programs/ with the same commands, so that one driver speaks for
 * all of them.
 *
 * A program is called as `program <command> name=value…`, finds the address and the user in KAFKA_BOOTSTRAP,
 * KAFKA_USERNAME and KAFKA_PASSWORD, and prints lines of tab-separated words:
 *
 *     produce topic compression idempotent     reads `key TAB value` lines from stdin, ends when all are acknowledged
 *     read topic [since=ms]                    record partition offset timestamp value
 *     member group topic [count]               assigned partition…, record …; commits each record; leaves on SIGTERM or after count
 *     committed group topic                    committed partition offset
 *     create-topic topic partitions
 *     add-partitions topic partitions
 *     configs topic                            config name value
 *     set-config topic name value
 *     delete-records topic partition before
 *     topics                                   topic name
 *     describe-topic topic                     partition number leader
 *     groups                                   group name
 *     describe-group group                     state word, member id
 *     delete-group group, delete-topic topic
 */
import { join } from 'node:path';
import { cacheFolder, clientsFolder } from './cache.ts';
import type { ClientDriver, Join, Member } from './driver.ts';
import { finish, Running } from './processes.ts';
import type { Access } from './targets.ts';

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

const programs = join(clientsFolder, 'programs');
export const kafkajsProgram: Program = { command: process.execPath, args: [join(programs, 'kafkajs.mjs')] };
export const librdkafkaProgram: Program = {
  command: join(cacheFolder, 'python', 'bin', 'python'),
  args: [join(programs, 'librdkafka.py')],
};
export const javaClientProgram: Program = {
  command: 'java',
  args: [
    '-Xmx128m',
    '-XX:TieredStopAtLevel=1',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-cp',
    `${join(cacheFolder, 'java-client')}:${join(cacheFolder, 'kafka-clients', '*')}`,
    'KafkaClients',
  ],
};
export const wordCountProgram: Program = {
  command: 'java',
  args: [
    '-Xmx192m',
    '-XX:TieredStopAtLevel=1',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-cp',
    `${join(cacheFolder, 'word-count')}:${join(cacheFolder, 'kafka-streams', '*')}`,
    'WordCount',
  ],
};
export const franzGoProgram: Program = { command: join(cacheFolder, 'franz-go'), args: [] };

const callWaitMsMax = 60_000;
const leaveWaitMsMax = 20_000;

function environment({ bootstrap, username, password }: Access): Record<string, string> {
  return { KAFKA_BOOTSTRAP: bootstrap, KAFKA_USERNAME: username, KAFKA_PASSWORD: password };
}

function pairs(given: Readonly<Record<string, string | number | boolean>>): string[] {
  return Object.entries(given).map(([name, value]) => `${name}=${value}`);
}

class ProgramMember implements Member {
  assigned: number[] = [];
  readonly records: { partition: number; offset: number; value: string }[] = [];
  readonly #running: Running;

  constructor(program: Program, at: Access, join: Join) {
    const args = [...program.args, 'member', ...pairs({ group: join.group, topic: join.topic })];
    this.#running = new Running(program.command, args, environment(at), (line) => {
      const [word, ...rest] = line.split('\t');
      if (word === 'assigned') this.assigned = rest.map(Number);
      if (word === 'record')
        this.records.push({ partition: Number(rest[0]), offset: Number(rest[1]), value: rest[3] ?? '' });
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
    const code = await this.#running.stop('SIGTERM', leaveWaitMsMax);
    if (code !== 0) throw new Error(`exit code ${code}: ${this.#running.title}\n${this.errors.join('\n')}`);
  }
}

export function programDriver(program: Program, compressions: ClientDriver['compressions']): ClientDriver {
  /** The lines of one command that start with `word`, without it. */
  async function ask(
    at: Access,
    command: string,
    given: Readonly<Record<string, string | number | boolean>>,
    word = '',
    input = '',
  ): Promise<string[][]> {
    const lines = await finish({
      command: program.command,
      args: [...program.args, command, ...pairs(given)],
      environment: environment(at),
      input,
      waitMsMax: callWaitMsMax,
    });
    return lines.map((line) => line.split('\t')).flatMap(([first, ...rest]) => (first === word ? [rest] : []));
  }
  const names = async (at: Access, command: string, word: string): Promise<string[]> =>
    (await ask(at, command, {}, word)).map(([name]) => name!);
  const numbers = (rows: string[][]): Map<number, number> => new Map(rows.map(([a, b]) => [Number(a), Number(b)]));
  const readRecord = ([partition, offset, timestamp, value]: string[]) => ({
    partition: Number(partition),
    offset: Number(offset),
    timestampMs: Number(timestamp),
    value: value!,
  });

  return {
    compressions,
    produce: async (at, { topic, records, compression, idempotent }) => {
      const lines = records.map(({ key, value }) => `${key}\t${value}\n`).join('');
      await ask(at, 'produce', { topic, compression, idempotent }, '', lines);
    },
    read: async (at, { topic, sinceMs }) => {
      const rows = await ask(at, 'read', sinceMs === undefined ? { topic } : { topic, since: sinceMs }, 'record');
      return rows.map(readRecord);
    },
    member: (at, join) => new ProgramMember(program, at, join),
    take: async (at, { group, topic, count }) => {
      const rows = await ask(at, 'member', { group, topic, count }, 'record');
      return rows.map((row) => readRecord(row).value);
    },
    createTopic: async (at, topic, partitions) => {
      await ask(at, 'create-topic', { topic, partitions });
    },
    addPartitions: async (at, topic, partitions) => {
      await ask(at, 'add-partitions', { topic, partitions });
    },
    configs: async (at, topic) =>
      new Map((await ask(at, 'configs', { topic }, 'config')).map(([name, value]) => [name!, value ?? ''])),
    setConfig: async (at, topic, name, value) => {
      await ask(at, 'set-config', { topic, name, value });
    },
    deleteRecords: async (at, topic, partition, before) => {
      await ask(at, 'delete-records', { topic, partition, before });
    },
    topics: (at) => names(at, 'topics', 'topic'),
    describeTopic: async (at, topic) => numbers(await ask(at, 'describe-topic', { topic }, 'partition')),
    groups: (at) => names(at, 'groups', 'group'),
    describeGroup: async (at, group) => {
      const [state, members] = [
        await ask(at, 'describe-group', { group }, 'state'),
        await ask(at, 'describe-group', { group }, 'member'),
      ];
      // librdkafka writes it in capitals.
      return { state: state[0]![0]!.toLowerCase(), members: members.length };
    },
    committed: async (at, { group, topic }) => numbers(await ask(at, 'committed', { group, topic }, 'committed')),
    deleteGroup: async (at, group) => {
      await ask(at, 'delete-group', { group });
    },
    deleteTopic: async (at, topic) => {
      await ask(at, 'delete-topic', { topic });
    },
  };
}
