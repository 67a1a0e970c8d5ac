/**
 * `headgate produce`: records from --value or from standard input, one per line, in requests of many lines. A request that
 * the server refuses without any effect (over quota, overloaded, moving) is sent again after the time it asks for.
 */
import { isUtf8 } from 'node:buffer';
import type { Command } from 'commander';
import { parseKeepingNumbers } from '../../gateway/operations/long-numbers.ts';
import { Refused } from '../client/api-client.ts';
import { CommandFailure, Interrupted } from '../command-failure.ts';
import { splitLines, untilAborted } from '../client/split-lines.ts';
import { wholeNumber } from '../client/parse-values.ts';
import type { OpenSession, Session } from '../client/session.ts';
import { waitMs } from '../client/wait.ts';

interface ProduceFlags {
  readonly value?: string;
  readonly key?: string;
  readonly partition?: string;
  readonly ndjson?: boolean;
}

interface ProducedRecord {
  readonly partition: number;
  readonly offset?: number;
  readonly error?: { readonly detail?: string };
}

const recordsPerRequestMax = 1_000;
const bytesPerRequestMax = 1024 * 1024;
const attemptsMax = 30;
const retryWaitMsMax = 5_000;

export function produceCommand(program: Command, open: OpenSession): void {
  program
    .command('produce')
    .description('Write records to a topic: one with --value, otherwise one per line of standard input')
    .argument('<topic>')
    .option('--value <text>', 'Write one record with this value')
    .option('--key <text>', 'Key of every record')
    .option('--partition <number>', 'Partition of every record; without it the key decides')
    .option('--ndjson', 'Each line is a record as JSON: {"key", "value", "headers", "partition", "timestamp"}')
    .action(async (topic: string, flags: ProduceFlags, command: Command) => {
      await new Producer(open(command), topic, flags).run();
    });
}

class Producer {
  readonly #session: Session;
  readonly #topic: string;
  readonly #flags: ProduceFlags;
  readonly #common: Record<string, unknown>;
  #batch: unknown[] = [];
  #batchBytes = 0;
  #stored = 0;

  constructor(session: Session, topic: string, flags: ProduceFlags) {
    this.#session = session;
    this.#topic = topic;
    this.#flags = flags;
    this.#common = {
      ...(flags.key !== undefined && { key: flags.key }),
      ...(flags.partition !== undefined && { partition: wholeNumber('--partition', flags.partition) }),
    };
  }

  async run(): Promise<void> {
    if (this.#flags.value !== undefined) {
      this.#batch.push({ ...this.#common, value: { $text: this.#flags.value } });
      await this.#flush();
    } else {
      const { stdin, signal } = this.#session.cli;
      let number = 0;
      // Lines that arrived together leave together; a person typing sees each line answered.
      for await (const lines of splitLines(untilAborted(stdin, signal), 'latin1')) {
        for (const line of lines) {
          this.#add(line, ++number);
          if (this.#batch.length >= recordsPerRequestMax || this.#batchBytes >= bytesPerRequestMax) await this.#flush();
        }
        await this.#flush();
      }
      if (signal.aborted) throw new Interrupted();
    }
    const stored = this.#stored === 1 ? '1 record' : `${this.#stored} records`;
    if (!this.#session.isJson) this.#session.cli.err(`${stored} stored in ${this.#topic}\n`);
  }

  /** `line`: one character a byte. */
  #add(line: string, number: number): void {
    this.#batchBytes += line.length;
    const bytes = Buffer.from(line, 'latin1');
    if (!this.#flags.ndjson) {
      const value = isUtf8(bytes) ? { $text: bytes.toString() } : { $b64: bytes.toString('base64') };
      this.#batch.push({ ...this.#common, value });
    } else if (line.trim() !== '') {
      this.#batch.push({ ...this.#common, ...parseLine(bytes, number) });
    }
  }

  async #flush(): Promise<void> {
    if (this.#batch.length === 0) return;
    const records = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    const results = await this.#send(records);
    if (this.#session.isJson) {
      await this.#session.cli.out(results.map((result) => `${JSON.stringify(result)}\n`).join(''));
    }
    const failed = results.filter(({ error }) => error !== undefined);
    this.#stored += results.length - failed.length;
    if (failed.length > 0) {
      const detail = failed[0]!.error!.detail ?? 'no reason given';
      throw new CommandFailure(
        'failed',
        `${failed.length} of ${results.length} records were not stored: ${detail} (stored so far: ${this.#stored})`,
      );
    }
  }

  async #send(records: readonly unknown[]): Promise<readonly ProducedRecord[]> {
    const { http, cli } = this.#session;
    const path = `/v1/topics/${encodeURIComponent(this.#topic)}/records`;
    for (let attempt = 1; ; attempt++) {
      try {
        return (await http.post<{ results: ProducedRecord[] }>(path, { records })).results;
      } catch (error) {
        // Retry only requests without effect: any other retry could store the records twice.
        const again = error instanceof Refused && (error.status === 429 || error.status === 503) && error.retryAfterMs;
        if (!again || attempt === attemptsMax) throw error;
        await waitMs(Math.min(again, retryWaitMsMax), cli.signal);
      }
    }
  }
}

function parseLine(line: Buffer, number: number): object {
  if (!isUtf8(line)) throw new CommandFailure('usage', `line ${number} is not UTF-8: write such bytes as {"$b64": …}`);
  let parsed: unknown;
  try {
    parsed = parseKeepingNumbers(line.toString());
  } catch {
    parsed = undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new CommandFailure(
      'usage',
      `line ${number} is not a JSON object: write each record as {"key": …, "value": …}`,
    );
  }
  return parsed;
}
