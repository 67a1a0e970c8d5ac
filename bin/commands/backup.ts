/** `headgate backup`: a copy of the data folder, whether or not it is served. It works on files, and asks no server. */
import type { Command } from 'commander';
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemDisk } from '../../infra/disk/system-disk.ts';
import type { Backup } from '../backup.ts';
import type { CliContext } from '../cli-context.ts';
import { CommandFailure } from '../command-failure.ts';

interface BackupFlags {
  readonly data: string;
  readonly segments: string;
  readonly segmentsEndpoint: string;
  readonly json?: boolean;
}

export function backupCommand(program: Command, cli: Pick<CliContext, 'out' | 'err'>): void {
  program
    .command('backup')
    .description('copy the data folder, on its machine and while it is served, into a folder that one can start from')
    .argument('<folder>', 'to be made; must not be there')
    .option('--data <folder>', 'what is copied', './data')
    .option('--segments <place>', 'the bucket, when segments lie in one: as for serve. The copy has them as files', '')
    .option('--segments-endpoint <url>', 'of an S3-compatible service other than AWS: as for serve', '')
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
  // The metadata store, and the client of buckets, are for this command alone.
  const { backUp } = await import('../backup.ts');
  if (place.segments === '') return backUp(data, target);
  const { openSegments } = await import('../../infra/segments/open-segments.ts');
  const { storeSource } = await import('../backup-segments.ts');
  const local = { disk: systemDisk, directory: '' };
  const settings = { ...place, durability: 'fsync' };
  const store = await openSegments(settings, local, systemClock, (text) => warn(`${text}\n`));
  return backUp(data, target, storeSource(store, place.segments));
}
