/** `headgate serve`: reads the settings and becomes what `--role` says. */
import type { Command } from 'commander';
import { readSettings } from '../engine/kernel/config.ts';
import { Failure } from '../engine/kernel/failure.ts';
import { serveSettings } from './settings.ts';

/** What the parent tells a broker on its command line; not for people. */
const brokerFlags = ['broker-id', 'zone', 'volume', 'address'] as const;

export function serveCommand(program: Command): void {
  const command = program.command('serve').description('run Headgate: all doors, the control plane and the brokers');
  for (const setting of Object.values(serveSettings)) {
    const bounds = setting.kind === 'integer' ? `, ${setting.unit}` : '';
    const fallback = setting.default === '' ? '' : ` (default ${setting.default}${bounds})`;
    command.option(`--${setting.flag} <value>`, setting.about + fallback);
  }
  for (const flag of brokerFlags) command.addOption(command.createOption(`--${flag} <value>`).hideHelp());
  command.action(async (given: Record<string, string | undefined>) => {
    try {
      await serve(given);
    } catch (error) {
      process.stderr.write(`headgate: ${error instanceof Failure || error instanceof Error ? error.message : error}\n`);
      if (process.env['HEADGATE_TRACE'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
      process.exit(1);
    }
  });
}

async function serve(given: Readonly<Record<string, string | undefined>>): Promise<void> {
  const settings = readSettings(serveSettings, given, process.env);
  if (settings.role === 'broker') {
    const { serveBroker } = await import('./serve-broker.ts');
    const { brokerId, zone, volume, address } = given;
    if (!brokerId || !zone || !volume || !address) {
      throw new Error(
        '--role broker is started by --role all, which gives it --broker-id, --zone, --volume and --address',
      );
    }
    await serveBroker({
      slot: { brokerId: Number(brokerId), zone, volume, address },
      data: settings.data,
      durability: settings.durability as 'fsync' | 'page-cache',
      leaseMs: settings.leaseMs,
    });
    return;
  }
  const { serveAll } = await import('./serve-all.ts');
  await serveAll(settings);
}
