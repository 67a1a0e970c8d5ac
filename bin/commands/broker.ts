/** `headgate broker`: the fleet, and what an operator asks of it. */
import type { Command } from 'commander';
import type { BrokerShown, DrainedShown } from '../../gateway/admin/schemas.ts';
import { wholeNumber } from '../parse-values.ts';
import { adminPath, type OpenSession, type Session } from '../session.ts';
import type { Column } from '../table.ts';

export const brokerColumns: readonly Column<BrokerShown>[] = [
  { title: 'BROKER', cell: (b) => b.brokerId },
  { title: 'ZONE', cell: (b) => b.zone },
  { title: 'STATE', cell: (b) => b.state },
  { title: 'EPOCH', cell: (b) => b.sessionEpoch },
  { title: 'PARTITIONS', cell: (b) => b.partitions },
  { title: 'PID', cell: (b) => b.pid },
];

export async function listBrokers(session: Session): Promise<BrokerShown[]> {
  return (await session.admin.get<{ items: BrokerShown[] }>(`${adminPath}/brokers`)).items;
}

export function brokerCommands(program: Command, open: OpenSession): void {
  const broker = program.command('broker').description('brokers: list, drain, undrain, restart');

  broker
    .command('list')
    .description('list the brokers')
    .action(async (_, command: Command) => {
      const session = open(command);
      await session.list(await listBrokers(session), brokerColumns);
    });

  broker
    .command('drain')
    .description('move everything off a broker and keep it off')
    .argument('<id>')
    .action(async (id: string, _, command: Command) => {
      const session = open(command);
      const drained = await session.admin.post<DrainedShown>(pathOf(id, 'drain'));
      await session.done(drained, `broker ${id} is drained, ${drained.partitionsLeft} partitions are left on it`);
    });

  broker
    .command('undrain')
    .description('let a broker own partitions again')
    .argument('<id>')
    .action(async (id: string, _, command: Command) => {
      const session = open(command);
      await session.done(
        await session.admin.post<BrokerShown>(pathOf(id, 'undrain')),
        `broker ${id} may own partitions`,
      );
    });

  broker
    .command('restart')
    .description('drain a broker, end its process and start it again')
    .argument('<id>')
    .action(async (id: string, _, command: Command) => {
      const session = open(command);
      const restarted = await session.admin.post<BrokerShown>(pathOf(id, 'restart'));
      await session.done(restarted, `broker ${id} serves again, as process ${restarted.pid}`);
    });
}

function pathOf(id: string, act: string): string {
  return `${adminPath}/brokers/${wholeNumber('broker', id)}/${act}`;
}
