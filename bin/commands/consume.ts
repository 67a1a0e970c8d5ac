/**
 * `headgate consume`: records of a topic over HTTP, page by page with a cursor. Without --max it ends at the end of the
 * topic; with --max it waits, by long polls, until there are that many; with --follow it never ends by itself.
 */
import type { Command } from 'commander';
import { Refused } from '../client/api-client.ts';
import { partitionNumbers, wholeNumber } from '../client/parse-values.ts';
import { recordText, type RecordShown } from '../client/record-text.ts';
import type { OpenSession, Session } from '../client/session.ts';
import { waitMs } from '../client/wait.ts';

interface ConsumeFlags {
  readonly from: string;
  readonly max?: string;
  readonly partition?: string;
  readonly follow?: boolean;
  readonly meta?: boolean;
}

const recordsPerPageMax = 1_000;
const longPoll = '20s';
const retryWaitMsMax = 5_000;

export function consumeCommand(program: Command, open: OpenSession): void {
  program
    .command('consume')
    .description('Read records from a topic and print their values, one per line')
    .argument('<topic>')
    .option(
      '--from <place>',
      'Where to start: earliest, latest, an offset, -N (the last N records) or an RFC 3339 time',
      'earliest',
    )
    .option('--max <count>', 'Stop after this many records, and wait for them if they are not there yet')
    .option('--partition <numbers>', 'Read only these partitions, e.g. 0,2')
    .option('--follow', 'Wait for new records at the end of the topic; stop with Ctrl-C')
    .option('--meta', 'Print partition, offset, time and key before each value')
    .action(async (topic: string, flags: ConsumeFlags, command: Command) => {
      await consume(open(command), topic, flags);
    });
}

async function consume(session: Session, topic: string, flags: ConsumeFlags): Promise<void> {
  const max = flags.max === undefined ? Infinity : wholeNumber('--max', flags.max, 1);
  const partitions = flags.partition === undefined ? undefined : partitionNumbers('--partition', flags.partition);
  const waits = flags.follow === true || max !== Infinity;
  let cursor: string | undefined;
  let printed = 0;
  while (printed < max) {
    const response = await nextPage(session, topic, {
      ...(cursor === undefined ? { from: flags.from } : { cursor }),
      partitions: partitions?.join(','),
      max_records: Math.min(recordsPerPageMax, max - printed),
      // Text is requested as text: the output for people should not depend on whether it happens to be JSON.
      format: session.isJson ? 'json' : 'string',
      wait: waits ? longPoll : undefined,
    });
    printed += await print(session, response, flags.meta === true);
    cursor = response.headers.get('next-cursor') ?? undefined;
    if (!waits && (cursor === undefined || response.headers.get('up-to-date') === 'true')) return;
  }
}

/** Retries when the server says that the cluster is over quota or a partition is moving. */
async function nextPage(
  { http, cli }: Session,
  topic: string,
  query: Readonly<Record<string, string | number | undefined>>,
): Promise<Response> {
  const path = `/v1/topics/${encodeURIComponent(topic)}/records`;
  for (;;) {
    try {
      return await http.send('GET', path, { query, headers: { Accept: 'application/x-ndjson' } });
    } catch (error) {
      if (!(error instanceof Refused) || error.retryAfterMs === undefined) throw error;
      await waitMs(Math.min(error.retryAfterMs, retryWaitMsMax), cli.signal);
    }
  }
}

/** Returns how many there were. For machines lines pass unchanged, so that large numbers keep their digits. */
async function print(session: Session, response: Response, meta: boolean): Promise<number> {
  let printed = 0;
  for await (const lines of session.http.lines(response)) {
    const texts = lines.map((line) =>
      session.isJson ? `${line}\n` : recordText(JSON.parse(line) as RecordShown, meta),
    );
    await session.cli.out(texts.join(''));
    printed += lines.length;
  }
  return printed;
}
