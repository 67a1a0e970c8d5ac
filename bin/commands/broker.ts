/** `headgate broker`: the fleet, and an operator's requests to it. */
import type { Command } from 'commander';
import type { BrokerShown, DrainedShown } from '../../gateway/admin/schemas.ts';
import type { ScalingAnswer } from '../../gateway/admin/fleet-schemas.ts';
import { CommandFailure } from '../command-failure.ts';
import { wholeNumber } from '../client/parse-values.ts';
import { adminPath, type OpenSession, type Session } from '../client/session.ts';
import type { Column } from '../client/table.ts';
import { actCommand, leftBehind } from './act.ts';

export const brokerColumns: readonly Column<BrokerShown>[] = [
  { title: 'BROKER', cell: (b) => b.brokerId },
  { title: 'ZONE', cell: (b) => b.zone },
  { title: 'STATE', cell: (b) => b.state },
  { title: 'WISH', cell: (b) => b.wish ?? '-' },
  { title: 'EPOCH', cell: (b) => b.sessionEpoch },
  { title: 'PARTITIONS', cell: (b) => b.partitions },
  { title: 'PID', cell: (b) => b.pid },
];

export async function listBrokers(session: Session): Promise<BrokerShown[]> {
  return (await session.admin.get<{ items: BrokerShown[] }>(`${adminPath}/brokers`)).items;
}

export function brokerCommands(program: Command, open: OpenSession): Command {
  const broker = program
    .command('broker')
    .description('Brokers: list, drain, undrain, restart, replace, scale, scrub, damage');

  broker
    .command('list')
    .description('List the brokers')
    .action(async (_, command: Command) => {
      const session = open(command);
      await session.list(await listBrokers(session), brokerColumns);
    });

  actCommand<DrainedShown>(broker, open, {
    name: 'drain',
    description: 'Move everything off a broker and keep it off; done when that is over',
    argument: '<id>',
    path: (id) => pathOf(id, 'drain'),
    done: (id) => `broker ${id} is drained`,
    undone: (id, { partitionsLeft }) => leftBehind(`broker ${id}`, partitionsLeft),
  });
  actCommand<BrokerShown>(broker, open, {
    name: 'undrain',
    description: 'Let a drained broker own partitions again',
    argument: '<id>',
    path: (id) => pathOf(id, 'undrain'),
    done: (id) => `broker ${id} may own partitions again`,
  });

  broker
    .command('restart')
    .description('Drain a broker, stop its process and start it again, without errors for clients')
    .argument('[id]', 'Id of the broker')
    .option('--all', 'Restart all brokers, one after the other')
    .action(async (id: string | undefined, options: { all?: true }, command: Command) => {
      const session = open(command);
      if ((id === undefined) !== (options.all === true))
        throw new CommandFailure('usage', 'give the id of a broker, or --all');
      if (id === undefined) {
        const { items } = await session.admin.post<{ items: BrokerShown[] }>(`${adminPath}/fleet/restart`);
        await session.done(items, `all ${items.length} brokers were restarted`);
        return;
      }
      const restarted = await session.admin.post<BrokerShown>(pathOf(id, 'restart'));
      await session.done(restarted, `broker ${id} serves again, as process ${restarted.pid}`);
    });

  actCommand<BrokerShown>(broker, open, {
    name: 'replace',
    description: 'Kill a broker that no longer responds, and start another in its place',
    argument: '<id>',
    path: (id) => pathOf(id, 'replace'),
    done: (id, { pid }) => `broker ${id} is replaced by process ${pid}`,
  });
  scaleCommand(broker, open);
  return broker;
}

function scaleCommand(broker: Command, open: OpenSession): void {
  broker
    .command('scale')
    .description('Show or set the number of brokers')
    .argument('[count]', 'Number of brokers, or auto to let the load decide; without it the number is shown')
    .action(async (count: string | undefined, _, command: Command) => {
      const session = open(command);
      const scaling =
        count === undefined
          ? await session.admin.get<ScalingAnswer>(`${adminPath}/fleet`)
          : await session.admin.post<ScalingAnswer>(`${adminPath}/fleet/scale`, {
              brokers: count === 'auto' ? null : wholeNumber('count', count, 1),
            });
      await session.done(scaling, scalingText(scaling));
    });
}

function scalingText(scaling: ScalingAnswer): string {
  const { brokers, brokersMin, brokersMax, override, reason, dimension, shares, evacuatedZones } = scaling;
  const used = Math.round((shares[dimension] ?? 0) * 100);
  const evacuated = evacuatedZones.length === 0 ? '' : `; evacuated: zone ${evacuatedZones.join(', ')}`;
  const why = override === null ? `the load decides: ${reason}` : 'set by an operator';
  return `${brokers} brokers, ${why} (from ${brokersMin} to ${brokersMax}; ${dimension} ${used} % used)${evacuated}`;
}

function pathOf(id: string, act: string): string {
  return `${adminPath}/brokers/${wholeNumber('broker', id)}/${act}`;
}
