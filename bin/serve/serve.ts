/** `headgate serve`: reads the settings and becomes what `--role` says. */
import type { Command } from 'commander';
import { readSettings } from '../../engine/kernel/config.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import { compiledPrograms } from '../compiled-programs.ts';
import { openDataFolder } from '../data-folder.ts';
import { letHeapGrow } from './heap-growth.ts';
import { serveSettings } from './settings.ts';
import { startFleet } from './start-fleet.ts';

/** `brokerProgram`: see startFleet. */
export function serveCommand(program: Command, brokerProgram: readonly string[] = [compiledPrograms.broker]): void {
  const command = program.command('serve').description('run Headgate: all doors, the control plane and the brokers');
  for (const setting of Object.values(serveSettings)) {
    const bounds = setting.kind === 'integer' ? `, ${setting.unit}` : '';
    const fallback = setting.default === '' ? '' : ` (default ${setting.default}${bounds})`;
    command.option(`--${setting.flag} <value>`, setting.about + fallback);
  }
  command.action(async (given: Record<string, string | undefined>) => {
    try {
      await serve(given, brokerProgram);
    } catch (error) {
      process.stderr.write(`headgate: ${error instanceof Failure || error instanceof Error ? error.message : error}\n`);
      if (process.env['HEADGATE_TRACE'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
      process.exit(1);
    }
  });
}

async function serve(
  given: Readonly<Record<string, string | undefined>>,
  brokerProgram: readonly string[],
): Promise<void> {
  const settings = readSettings(serveSettings, given, process.env);
  letHeapGrow();
  if (settings.role === 'controller') {
    const { serveController } = await import('./serve-controller.ts');
    await serveController(settings);
    return;
  }
  const folder = openDataFolder(settings.data);
  const hasProcesses = settings.role === 'all' && settings.brokerMode === 'processes';
  // Before this process has loaded its own program.
  const processes = hasProcesses ? startFleet(settings, folder, brokerProgram) : undefined;
  const { serveGateway } = await import('./serve-gateway.ts');
  await serveGateway(settings, folder, processes);
}
