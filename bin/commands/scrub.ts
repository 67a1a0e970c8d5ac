/** `headgate broker scrub` and `headgate broker damage`: check whether stored data is still what was written. */
import type { Command } from 'commander';
import type { DamageShown, ScrubShown } from '../../gateway/admin/schemas.ts';
import { oneOf, wholeNumber } from '../client/parse-values.ts';
import { adminPath, type OpenSession, type Session } from '../client/session.ts';
import { type Column, time } from '../client/table.ts';
import { listBrokers } from './broker.ts';

const scrubColumns: readonly Column<ScrubShown>[] = [
  { title: 'BROKER', cell: (s) => s.brokerId },
  { title: 'STATE', cell: (s) => s.state },
  { title: 'PASSES', cell: (s) => s.passes },
  { title: 'FILES', cell: (s) => `${s.files}/${s.filesOfPass}` },
  { title: 'BYTES', cell: (s) => s.bytes },
  { title: 'DAMAGED', cell: (s) => s.damaged },
  { title: 'UNREAD', cell: (s) => s.unread },
  { title: 'LAST PASS', cell: (s) => (s.lastPassEndedAtMs < 0 ? '-' : time(s.lastPassEndedAtMs)) },
];

const damageColumns: readonly Column<DamageShown>[] = [
  { title: 'FILE', cell: (d) => d.fileId },
  { title: 'BYTE', cell: (d) => d.position },
  { title: 'WHAT', cell: (d) => d.what },
  { title: 'TOPIC ID', cell: (d) => d.topicId ?? '-' },
  { title: 'PARTITION', cell: (d) => d.partition ?? '-' },
  { title: 'FROM', cell: (d) => d.fromOffset ?? '-' },
  { title: 'TO', cell: (d) => d.toOffset ?? '-' },
  { title: 'FOUND', cell: (d) => time(d.foundAtMs) },
];

const acts = ['status', 'start', 'pause', 'resume'];

export function scrubCommands(broker: Command, open: OpenSession): void {
  broker
    .command('scrub')
    .description('Check stored records against their checksums: show, start, pause or resume the check')
    .argument('[id]', 'Id of one broker; by default all that serve')
    .option('--act <act>', 'What to do: status, start, pause or resume', 'status')
    .action(async (id: string | undefined, { act }: { act: string }, command: Command) => {
      const session = open(command);
      const ids = id === undefined ? await servingBrokers(session) : [wholeNumber('broker', id)];
      const path = (brokerId: number): string =>
        `${adminPath}/brokers/${brokerId}/scrub?act=${oneOf('--act', act, acts)}`;
      const shown = await Promise.all(ids.map((brokerId) => session.admin.post<ScrubShown>(path(brokerId))));
      await session.list(shown, scrubColumns);
    });

  broker
    .command('damage')
    .description('List the damage that scrubs and readers have found in stored records')
    .action(async (_, command: Command) => {
      const session = open(command);
      const { items } = await session.admin.get<{ items: DamageShown[] }>(`${adminPath}/damage`);
      await session.list(items, damageColumns);
    });
}

async function servingBrokers(session: Session): Promise<number[]> {
  return (await listBrokers(session)).filter(({ state }) => state === 'serving').map(({ brokerId }) => brokerId);
}
