/** `headgate serve`: reads the settings and becomes what `--role` says. */
import type { Command } from 'commander';
import { readSettings } from '../../engine/kernel/config.ts';
import { compiledPrograms } from '../compiled-programs.ts';
import { openDataFolder } from '../data-folder.ts';
import { optionText, settingOption } from '../option-help.ts';
import { letHeapGrow } from './heap-growth.ts';
import { checkOpenFiles, openFilesMax } from './open-files.ts';
import { type ServeSettings, serveSettings } from './settings.ts';
import { startFailureExit, startFailureText } from './start-failure.ts';
import { startFleet } from './start-fleet.ts';
import { endOnStopSignal, outliveHangUps } from './stop-signal.ts';

/** Every setting in one of them (cli.test.ts). */
const helpGroups: Readonly<Record<string, readonly (keyof ServeSettings)[]>> = {
  'Process and data:': [
    'role',
    'data',
    'durability',
    'segments',
    'segmentsEndpoint',
    'scrubMebibytesPerSecond',
    'leaseMs',
  ],
  'Addresses and TLS:': [
    'host',
    'advertisedHost',
    'kafkaPort',
    'kafkaBrokerPort',
    'httpPort',
    'adminPort',
    'httpServer',
    'tlsCertificate',
    'tlsKey',
  ],
  'Brokers:': [
    'zones',
    'brokers',
    'brokersMax',
    'brokerMode',
    'spareBrokers',
    'brokerBytesIn',
    'brokerBytesOut',
    'brokerRequests',
    'loadIntervalMs',
    'scaleInAfterMs',
  ],
  'Limits:': ['quotaProfile', 'requestBytesHeldMax'],
};

const environmentHelp = `
Every option is also an environment variable: --kafka-port is
HEADGATE_KAFKA_PORT. The option wins. docs/configuration.md has the range of
each number.
`;

/** `brokerProgram`: see startFleet. */
export function serveCommand(program: Command, brokerProgram: readonly string[] = [compiledPrograms.broker]): void {
  const command = program
    .command('serve')
    .description('Run Headgate: the Kafka, HTTP and WebSocket doors, the control plane and the brokers');
  for (const [heading, names] of Object.entries(helpGroups)) {
    for (const name of names) command.addOption(settingOption(serveSettings[name]).helpGroup(heading));
  }
  command
    .configureHelp({ showGlobalOptions: false, optionDescription: optionText })
    .helpOption('-h, --help', 'Show this help')
    .addHelpText('after', environmentHelp);
  command.action(async (given: Record<string, string | undefined>) => {
    try {
      await serve(given, brokerProgram);
    } catch (error) {
      process.stderr.write(`headgate: ${startFailureText(error)}\n`);
      if (process.env['HEADGATE_TRACE'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
      process.exit(startFailureExit(error));
    }
  });
}

async function serve(
  given: Readonly<Record<string, string | undefined>>,
  brokerProgram: readonly string[],
): Promise<void> {
  const settings = readSettings(serveSettings, given, process.env);
  checkOpenFiles(openFilesMax());
  letHeapGrow();
  endOnStopSignal();
  outliveHangUps();
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
