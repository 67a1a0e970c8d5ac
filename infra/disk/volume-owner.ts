/**
 * The owner of a volume: a small file on it names the installation and the slot. Volumes are mounted by hand, and one
 * mounted in the place of another looks as if it had lost its log. A recovery would then give up the records of the right
 * volume and delete those of the wrong one.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../engine/kernel/failure.ts';
import { givenUpPath } from '../../engine/log/wal/wal-format.ts';

const fileName = 'belongs-to';
const ownerPattern = /^broker (\d+) of installation ([0-9a-f]+)$/;

export class VolumeOfAnother extends Failure {
  readonly code = 'disk-fault';
  constructor(volume: string, found: string, wanted: string) {
    const isOwner = ownerPattern.test(found);
    const file = join(volume, fileName);
    super(
      isOwner
        ? `${volume} is the volume of ${found}, not of ${wanted}: mount the right one`
        : `${file} is damaged: if ${volume} is the volume of ${wanted}, remove that file`,
    );
  }
}

export function volumeOwner(installation: string, brokerId: number): string {
  return `broker ${brokerId} of installation ${installation}`;
}

/** A volume without the file belongs to nobody in particular. */
export function isVolumeOf(volume: string, installation: string): boolean {
  const found = ownerOf(volume);
  return found === '' || found.endsWith(` ${installation}`);
}

/** The installation that all volumes in the folder name; undefined when none does, or when they differ. */
export function installationOf(volumes: string): string | undefined {
  const named = new Set<string>();
  for (const volume of existsSync(volumes) ? readdirSync(volumes) : []) {
    const [, brokerId, installation] = ownerPattern.exec(ownerOf(join(volumes, volume))) ?? [];
    if (brokerId === volume && installation !== undefined) named.add(installation);
  }
  const [only] = named;
  return named.size === 1 ? only : undefined;
}

/** Throws VolumeOfAnother, unless an operator has given up the missing data. */
export function checkVolume(volume: string, owner: string): void {
  const found = ownerOf(volume);
  if (found !== '' && found !== owner && !existsSync(givenUpPath(volume)))
    throw new VolumeOfAnother(volume, found, owner);
}

/**
 * For a volume that exists. Like checkVolume, and then records the owner. When there is no room, a later start records it.
 */
export function claimVolume(volume: string, owner: string): void {
  checkVolume(volume, owner);
  if (ownerOf(volume) === owner) return;
  try {
    writeFileSync(join(volume, fileName), `${owner}\n`, { mode: 0o600, flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function ownerOf(volume: string): string {
  try {
    return readFileSync(join(volume, fileName), 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return '';
  }
}
