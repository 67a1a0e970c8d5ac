/** `headgate engine`: the engine's state in one view, and its decisions. */
import type { Command } from 'commander';
import type { EngineShown } from '../../gateway/admin/engine-schemas.ts';
import { adminPath, type OpenSession } from '../client/session.ts';
import { type Column, fields, table } from '../client/table.ts';
import { brokerColumns } from './broker.ts';
import { eventsCommand } from './events.ts';

type Zone = EngineShown['zones'][number];
type Controller = EngineShown['controllers'][number];

/** An evacuated zone still serves: its brokers run, and own nothing. */
function zoneColumns(evacuated: readonly string[]): readonly Column<Zone>[] {
  return [
    { title: 'ZONE', cell: (z) => z.zone },
    { title: 'STATE', cell: (z) => (evacuated.includes(z.zone) ? `${z.state}, evacuated` : z.state) },
    { title: 'SERVING', cell: (z) => `${z.serving} of ${z.brokers}` },
    { title: 'PARTITIONS', cell: (z) => z.partitions },
  ];
}

const controllerColumns: readonly Column<Controller>[] = [
  { title: 'CONTROLLER', cell: (c) => c.controllerId },
  { title: 'STATE', cell: (c) => (c.alive ? 'alive' : 'dead') },
  { title: 'SHARDS', cell: (c) => c.shards },
  { title: 'KEEPS FLEET', cell: (c) => (c.keepsFleet ? 'yes' : 'no') },
];

export function engineCommands(program: Command, open: OpenSession): void {
  const engine = program.command('engine').description('The engine: status, events');

  engine
    .command('status')
    .description('Show zones, brokers, partitions and controllers')
    .action(async (_, command: Command) => {
      const session = open(command);
      const shown = await session.admin.get<EngineShown>(`${adminPath}/engine`);
      if (session.isJson) await session.json(shown);
      else await session.cli.out(screen(shown));
    });

  eventsCommand(engine, open);
}

function screen({ ready, partitions, zones, brokers, controllers, scaling }: EngineShown): string {
  const parts = [
    fields([
      ['ready', ready],
      ['partitions', partitions.total],
      ['without owner', partitions.withoutOwner],
      ['moving', partitions.moving],
    ]),
    table(zoneColumns(scaling?.evacuatedZones ?? []), zones),
    table(brokerColumns, brokers),
  ];
  if (controllers.length > 0) parts.push(table(controllerColumns, controllers));
  return parts.join('\n');
}
