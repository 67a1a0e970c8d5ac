/** `headgate backup`: copies the data folder, whether or not it is served. It works on files and needs no server. */
import type { Command } from 'commander';
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemDisk } from '../../infra/disk/system-disk.ts';
import type { Backup } from '../backup.ts';
import type { CliContext } from '../cli-context.ts';
import { optionText } from '../option-help.ts';
import { CommandFailure } from '../command-failure.ts';

interface BackupFlags {
  readonly data: string;
  readonly segments?: string;
  readonly segmentsEndpoint?: string;
  readonly json?: boolean;
}

export function backupCommand(program: Command, cli: Pick<CliContext, 'out' | 'err'>): void {
  program
    .command('backup')
    .description(
      'Copy the data folder, while the server runs or not, to a folder that `headgate serve --data` can start from; run it on the same machine',
    )
    .configureHelp({ showGlobalOptions: false, optionDescription: optionText })
    .argument('<folder>', 'New folder for the copy; must not exist yet')
    .option('--data <folder>', 'Data folder to copy', './data')
    .option(
      '--segments <place>',
      'Bucket of the segments, if serve has one: the same value. The copy holds them as files',
    )
    .option('--segments-endpoint <url>', 'URL of the S3-compatible service, if serve has one: the same value')
    .action(async (target: string, _, command: Command) => {
      const { data, json, ...place } = command.optsWithGlobals<BackupFlags>();
      const backup = await copyOf(data, target, place, cli.err).catch((error: Error) => {
        throw new CommandFailure('failed', error.message);
      });
      const { logs, segmentFiles, missingFiles } = backup;
      if (missingFiles > 0)
        cli.err(`${missingFiles} segment files were already missing from ${data}, and are not in the copy\n`);
      await cli.out(
        json
          ? `${JSON.stringify(backup)}\n`
          : `${target}: metadata, ${segmentFiles} segment files, and the logs of ${logs} brokers\n`,
      );
    });
}

async function copyOf(
  data: string,
  target: string,
  place: Pick<BackupFlags, 'segments' | 'segmentsEndpoint'>,
  warn: (text: string) => void,
): Promise<Backup> {
  // Only this command needs the metadata store and the bucket client.
  const { backUp } = await import('../backup.ts');
  const { segments, segmentsEndpoint = '' } = place;
  if (!segments) return backUp(data, target);
  const { openSegments } = await import('../../infra/segments/open-segments.ts');
  const { storeSource } = await import('../backup-segments.ts');
  const local = { disk: systemDisk, directory: '' };
  const settings = { segments, segmentsEndpoint, durability: 'fsync' };
  const { segments: store } = await openSegments(settings, local, systemClock, (text) => warn(`${text}\n`));
  return backUp(data, target, storeSource(store, segments));
}
