/** `headgate zone`: availability zones to drain for a while. */
import type { Command } from 'commander';
import type { ZoneAnswer } from '../../gateway/admin/fleet-schemas.ts';
import { adminPath, type OpenSession } from '../client/session.ts';
import { actCommand, leftBehind } from './act.ts';

export function zoneCommands(program: Command, open: OpenSession): void {
  const zone = program.command('zone').description('Zones: evacuate, restore');
  actCommand<ZoneAnswer>(zone, open, {
    name: 'evacuate',
    description: 'Move everything out of a zone and keep it empty; done when that is over',
    argument: '<zone>',
    path: (name) => pathOf(name, 'evacuate'),
    done: (name) => `zone ${name} is evacuated`,
    undone: (name, { partitionsLeft }) => leftBehind(`zone ${name}`, partitionsLeft),
  });
  actCommand<ZoneAnswer>(zone, open, {
    name: 'restore',
    description: 'Let the brokers of a zone own partitions again',
    argument: '<zone>',
    path: (name) => pathOf(name, 'restore'),
    done: (name) => `zone ${name} is restored`,
  });
}

function pathOf(zone: string, act: string): string {
  return `${adminPath}/zones/${encodeURIComponent(zone)}/${act}`;
}
