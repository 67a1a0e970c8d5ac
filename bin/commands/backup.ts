/** `headgate backup`: a copy of the data folder, whether or not it is served. It works on files, and asks no server. */
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.ts';
import { CommandFailure } from '../command-failure.ts';

interface BackupFlags {
  readonly data: string;
  readonly json?: boolean;
}

export function backupCommand(program: Command, cli: Pick<CliContext, 'out' | 'err'>): void {
  program
    .command('backup')
    .description('copy the data folder, on its machine and while it is served, into a folder that one can start from')
    .argument('<folder>', 'to be made; must not be there')
    .option('--data <folder>', 'what is copied', './data')
    .action(async (target: string, _, command: Command) => {
      const { data, json } = command.optsWithGlobals<BackupFlags>();
      // The metadata store is for this command alone.
      const { backUp } = await import('../backup.ts');
      const backup = await backUp(data, target).catch((error: Error) => {
        throw new CommandFailure('failed', error.message);
      });
      const { logs, segmentFiles, missingFiles } = backup;
      if (missingFiles > 0) cli.err(`${missingFiles} segment files are missing in ${data} as well\n`);
      await cli.out(
        json
          ? `${JSON.stringify(backup)}\n`
          : `${target}: metadata, ${segmentFiles} segment files, and the logs of ${logs} brokers\n`,
      );
    });
}
