/** The command line as a whole: every command with its flags. Help, completion and docs/cli.md are generated from it. */
import { Command } from 'commander';
import { environmentName } from '../engine/kernel/config.ts';
import type { CliContext } from './cli-context.ts';
import { clientSettings } from './client/client-settings.ts';
import { backupCommand } from './commands/backup.ts';
import { brokerCommands } from './commands/broker.ts';
import { clusterCommands } from './commands/cluster.ts';
import { consumeCommand } from './commands/consume.ts';
import { engineCommands } from './commands/engine.ts';
import { eventsCommand } from './commands/events.ts';
import { groupCommands } from './commands/group.ts';
import { keyCommands } from './commands/key.ts';
import { produceCommand } from './commands/produce.ts';
import { scrubCommands } from './commands/scrub.ts';
import { statusCommand } from './commands/status.ts';
import { tailCommand } from './commands/tail.ts';
import { tenantCommands } from './commands/tenant.ts';
import { topicCommands } from './commands/topic.ts';
import { zoneCommands } from './commands/zone.ts';
import { completionCommand } from './completion.ts';
import { showExamples } from './examples.ts';
import { tellThrough } from './run-program.ts';
import { serveCommand } from './serve/serve.ts';
import { optionText, settingOption } from './option-help.ts';
import { sessionOpener } from './client/session.ts';
import { simulateCommand } from './simulate/simulate.ts';

export function createProgram(cli: CliContext): Command {
  const program = tellThrough(new Command('headgate'), cli).description(
    'Multi-tenant streaming over Kafka, HTTP and WebSocket',
  );
  program.option('--json', 'Print JSON, and nothing else, on standard output');
  for (const setting of Object.values(clientSettings)) {
    program.addOption(settingOption(setting, environmentName(setting.flag)));
  }
  // headgate.mjs itself prints it, also before anything is compiled.
  program.addHelpText('after', '\nheadgate --version prints the version.');
  // Shown below the help of each command that talks to a server.
  program.helpOption('-h, --help', 'Show this help');
  program.configureHelp({ showGlobalOptions: true, optionDescription: optionText });
  const open = sessionOpener(cli);
  program.commandsGroup('Run:');
  serveCommand(program);
  backupCommand(program, cli);
  program.commandsGroup('Read and write records:');
  produceCommand(program, open);
  consumeCommand(program, open);
  tailCommand(program, open);
  program.commandsGroup('Manage what tenants have:');
  tenantCommands(program, open);
  clusterCommands(program, open);
  keyCommands(program, open);
  topicCommands(program, open);
  groupCommands(program, open);
  program.commandsGroup('Operate the engine:');
  statusCommand(program, open);
  engineCommands(program, open);
  eventsCommand(program, open);
  scrubCommands(brokerCommands(program, open), open);
  zoneCommands(program, open);
  program.commandsGroup('Tools:').helpCommand('help [command]', 'Show the help of a command');
  simulateCommand(program, cli);
  completionCommand(program, (text) => cli.out(text));
  showExamples(program);
  return program;
}
