/** The command line as a whole: every command with its flags, from which help, completion and docs/cli.md are made. */
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
import { tellThrough } from './run-program.ts';
import { serveCommand } from './serve/serve.ts';
import { sessionOpener } from './client/session.ts';
import { simulateCommand } from './simulate/simulate.ts';

export function createProgram(cli: CliContext): Command {
  const program = tellThrough(new Command('headgate'), cli).description(
    'Multi-tenant streaming over Kafka, HTTP and WebSocket',
  );
  program.option('--json', 'print JSON, and nothing else, on standard output');
  for (const setting of Object.values(clientSettings)) {
    const fallback = setting.default === '' ? '' : `, else ${setting.default}`;
    program.option(
      `--${setting.flag} <value>`,
      `${setting.about.replace(/\.$/, '')} (${environmentName(setting.flag)}${fallback})`,
    );
  }
  const open = sessionOpener(cli);
  serveCommand(program);
  statusCommand(program, open);
  tenantCommands(program, open);
  clusterCommands(program, open);
  keyCommands(program, open);
  topicCommands(program, open);
  groupCommands(program, open);
  produceCommand(program, open);
  consumeCommand(program, open);
  tailCommand(program, open);
  scrubCommands(brokerCommands(program, open), open);
  zoneCommands(program, open);
  engineCommands(program, open);
  eventsCommand(program, open);
  backupCommand(program, cli);
  simulateCommand(program, cli);
  completionCommand(program, (text) => cli.out(text));
  return program;
}
