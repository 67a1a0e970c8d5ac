/**
 * `headgate engine events`, or `headgate events`: what the engine decided and why; --follow continues, across reconnects
 * too.
 */
import type { Command } from 'commander';
import type { EventShown } from '../../gateway/admin/schemas.ts';
import { CommandFailure } from '../command-failure.ts';
import { linesOf } from '../client/split-lines.ts';
import { adminPath, type OpenSession, type Session } from '../client/session.ts';
import { printable, time } from '../client/table.ts';
import { waitMs } from '../client/wait.ts';

interface EventFlags {
  readonly follow?: boolean;
  readonly since?: string;
}

const reconnectMs = 1_000;

export function eventsCommand(parent: Command, open: OpenSession): void {
  parent
    .command('events')
    .description('Print the decisions of the engine and their reasons')
    .option('--follow', 'Keep printing new events; stop with Ctrl-C')
    .option('--since <event>', 'Only events after this one: an event id, or milliseconds since 1970')
    .action(async (flags: EventFlags, command: Command) => {
      const session = open(command);
      const query = { since: flags.since, limit: 1000 };
      const { items } = await session.admin.get<{ items: EventShown[] }>(`${adminPath}/events`, query);
      if (session.isJson && !flags.follow) return session.json(items);
      for (const event of items) await print(session, event);
      return flags.follow ? follow(session, items.at(-1)?.id ?? flags.since ?? '0') : undefined;
    });
}

export function eventText({ atMs, kind, reason, brokerId, zone, detail }: EventShown): string {
  const about = { ...(brokerId === undefined ? {} : { broker: brokerId }), ...(zone === undefined ? {} : { zone }) };
  const named = Object.entries({ ...about, ...detail }).map(([name, value]) => `${name}=${value}`);
  return `${printable([time(atMs), kind.padEnd(20), [reason, ...named].join(' ')].join('  '))}\n`;
}

async function follow(session: Session, from: string): Promise<void> {
  let since = from;
  for (;;) {
    try {
      const headers = { Accept: 'text/event-stream', 'Last-Event-ID': since };
      const response = await session.admin.send('GET', `${adminPath}/events/stream`, { headers });
      for await (const lines of linesOf(response)) {
        for (const line of lines) {
          if (!line.startsWith('data:')) continue;
          const event = JSON.parse(line.slice('data:'.length)) as EventShown;
          since = event.id;
          await print(session, event);
        }
      }
    } catch (error) {
      // The stream broke, or the server is unavailable for a while: resume at the last event that was printed.
      const lasting = error instanceof CommandFailure && error.exit !== 'unreachable' && error.exit !== 'retry';
      if (lasting && !session.cli.signal.aborted) throw error;
      if (!session.cli.signal.aborted && error instanceof CommandFailure) session.cli.err(`${error.message}\n`);
    }
    await waitMs(reconnectMs, session.cli.signal);
  }
}

async function print(session: Session, event: EventShown): Promise<void> {
  await session.cli.out(session.isJson ? `${JSON.stringify(event)}\n` : eventText(event));
}
