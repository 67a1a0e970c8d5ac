/** `headgate serve`: reads the settings and becomes what `--role` says. */
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { readSettings } from '../engine/kernel/config.ts';
import { Failure } from '../engine/kernel/failure.ts';
import { freshBundle } from './bundles.ts';
import type { serveGateway } from './serve-gateway.ts';
import { serveSettings } from './settings.ts';

/** `brokerProgram`: the script that broker processes run, when it is not the usual one. */
export function serveCommand(program: Command, brokerProgram?: string): void {
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
  brokerProgram: string | undefined,
): Promise<void> {
  const settings = readSettings(serveSettings, given, process.env);
  if (settings.role === 'controller') {
    const { serveController } = await import('./serve-controller.ts');
    await serveController(settings);
    return;
  }
  const { serveGateway } = await gatewayProgram();
  await serveGateway(settings, brokerProgram);
}

async function gatewayProgram(): Promise<{ readonly serveGateway: typeof serveGateway }> {
  const bundle = freshBundle(fileURLToPath(new URL('..', import.meta.url)), 'serve-gateway');
  if (bundle === undefined) return import('./serve-gateway.ts');
  return (await import(pathToFileURL(bundle).href)) as { readonly serveGateway: typeof serveGateway };
}
