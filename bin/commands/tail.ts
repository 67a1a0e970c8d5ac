/**
 * `headgate tail`: prints a WebSocket subscription as it arrives. Every batch carries the cursor after it. When the
 * connection ends for a reason that may pass, the next one continues from the last cursor that was printed.
 */
import type { Command } from 'commander';
import { stringifyKeepingNumbers } from '../../gateway/operations/long-numbers.ts';
import { CommandFailure, Interrupted } from '../command-failure.ts';
import { partitionNumbers, wholeNumber } from '../client/parse-values.ts';
import { recordText, type RecordShown } from '../client/record-text.ts';
import type { OpenSession, Session } from '../client/session.ts';
import { type Ended, openSocket } from '../client/tail-socket.ts';
import { waitMs } from '../client/wait.ts';

interface TailFlags {
  readonly from: string;
  readonly max?: string;
  readonly partition?: string;
  readonly meta?: boolean;
}

/** Messages from the door; the fields depend on the event. */
export interface DoorMessage {
  readonly event?: string;
  readonly records?: readonly RecordShown[];
  /** The cursor after this message. */
  readonly next?: string;
  readonly cursor?: string;
  readonly partition?: number;
  readonly from?: number;
  readonly earliest?: number;
  readonly problem?: { readonly detail?: string };
  readonly error?: { readonly detail?: string; readonly code?: string; readonly retryable?: boolean };
}

const reconnectMsMin = 250;
const reconnectMsMax = 10_000;

export function tailCommand(program: Command, open: OpenSession): void {
  program
    .command('tail')
    .description('Follow a topic over WebSocket, and print values as they arrive; stop with Ctrl-C')
    .argument('<topic>')
    .option(
      '--from <place>',
      'Where to start: earliest, latest, an offset, -N (the last N records) or an RFC 3339 time',
      'latest',
    )
    .option('--max <count>', 'Stop after this many records')
    .option('--partition <numbers>', 'Read only these partitions, e.g. 0,2')
    .option('--meta', 'Print partition, offset, time and key before each value')
    .action(async (topic: string, flags: TailFlags, command: Command) => {
      await new Tail(open(command), topic, flags).run();
    });
}

class Tail {
  readonly #session: Session;
  readonly #topic: string;
  readonly #flags: TailFlags;
  readonly #max: number;
  #cursor: string | undefined;
  #printed = 0;
  #attempts = 0;

  constructor(session: Session, topic: string, flags: TailFlags) {
    this.#session = session;
    this.#topic = topic;
    this.#flags = flags;
    this.#max = flags.max === undefined ? Infinity : wholeNumber('--max', flags.max, 1);
  }

  async run(): Promise<void> {
    const { cli, http } = this.#session;
    for (;;) {
      const ended = await openSocket(cli, http.endpoint, this.#subscribe(), (message) => this.#take(message));
      if (this.#printed >= this.#max) return;
      if (cli.signal.aborted) throw new Interrupted();
      // Nobody waits for a server that was never there: the address or the certificate is wrong.
      const isLost = ended.exit === 'unreachable' && this.#cursor === undefined;
      if (!ended.mayReconnect || isLost) throw new CommandFailure(ended.exit, ended.reason);
      const pauseMs = this.#pauseMs(ended);
      cli.err(`headgate: ${ended.reason}: connecting again in ${pauseMs} ms\n`);
      await waitMs(pauseMs, cli.signal);
    }
  }

  /** Doubles with every attempt that brought no message. */
  #pauseMs(ended: Ended): number {
    const own = Math.min(reconnectMsMax, reconnectMsMin * 2 ** this.#attempts);
    this.#attempts++;
    return Math.max(own, ended.reconnectAfterMs ?? 0);
  }

  #subscribe(): object {
    const { from, partition } = this.#flags;
    return {
      op: 'subscribe',
      id: 1,
      sub: 1,
      topic: this.#topic,
      ...(this.#cursor === undefined ? { from } : { cursor: this.#cursor }),
      ...(partition !== undefined && { partitions: partitionNumbers('--partition', partition) }),
      format: this.#session.isJson ? 'json' : 'string',
    };
  }

  /** False: enough records. */
  async #take(message: DoorMessage): Promise<boolean> {
    const { cli, isJson } = this.#session;
    if (message.event === 'gap') {
      const { partition, from, earliest } = message;
      cli.err(
        `headgate: partition ${partition}: offsets ${from} to ${(earliest ?? 0) - 1} were deleted by retention\n`,
      );
    } else if (message.event === 'unavailable') {
      cli.err(`headgate: partition ${message.partition}: ${message.problem?.detail ?? 'it cannot be read'}\n`);
    } else if (message.event === 'available') {
      cli.err(`headgate: partition ${message.partition} can be read again\n`);
    } else if (message.records) {
      this.#attempts = 0;
      const records = message.records.slice(0, this.#max - this.#printed);
      const text = (record: RecordShown): string =>
        isJson ? `${stringifyKeepingNumbers(record)}\n` : recordText(record, this.#flags.meta === true);
      await cli.out(records.map(text).join(''));
      this.#printed += records.length;
    }
    // Only after printing: unprinted records are requested again.
    this.#cursor = message.next ?? message.cursor ?? this.#cursor;
    return this.#printed < this.#max;
  }
}
