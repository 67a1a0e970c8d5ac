/** `headgate zone`: availability zones that are to be left empty for a while. */
import type { Command } from 'commander';
import type { ZoneAnswer } from '../../gateway/admin/fleet-schemas.ts';
import { adminPath, type OpenSession } from '../session.ts';

export function zoneCommands(program: Command, open: OpenSession): void {
  const zone = program.command('zone').description('zones: evacuate, restore');

  zone
    .command('evacuate')
    .description('move everything out of a zone and keep it empty')
    .argument('<zone>')
    .action(async (name: string, _, command: Command) => {
      const session = open(command);
      const answer = await session.admin.post<ZoneAnswer>(pathOf(name, 'evacuate'));
      await session.done(answer, `zone ${name} is evacuated, ${answer.partitionsLeft} partitions are left in it`);
    });

  zone
    .command('restore')
    .description('let the brokers of a zone own partitions again')
    .argument('<zone>')
    .action(async (name: string, _, command: Command) => {
      const session = open(command);
      await session.done(await session.admin.post<ZoneAnswer>(pathOf(name, 'restore')), `zone ${name} is restored`);
    });
}

function pathOf(zone: string, act: string): string {
  return `${adminPath}/zones/${encodeURIComponent(zone)}/${act}`;
}
