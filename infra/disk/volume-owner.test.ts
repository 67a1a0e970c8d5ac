import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkVolume, claimVolume, installationOf, isVolumeOf, VolumeOfAnother, volumeOwner } from './volume-owner.ts';

let volume: string;
beforeEach(() => (volume = mkdtempSync(join(tmpdir(), 'volume-'))));
afterEach(() => rmSync(volume, { recursive: true }));

const mine = volumeOwner('aa', 1);

it('a volume belongs to the first broker that claims it, and to no other, even of the same installation', () => {
  checkVolume(volume, mine);
  expect(isVolumeOf(volume, 'bb')).toBe(true);
  claimVolume(volume, mine);
  claimVolume(volume, mine);
  expect(readFileSync(join(volume, 'belongs-to'), 'utf8')).toBe('broker 1 of installation aa\n');
  expect(isVolumeOf(volume, 'aa')).toBe(true);
  expect(isVolumeOf(volume, 'bb')).toBe(false);
  for (const other of [volumeOwner('aa', 2), volumeOwner('bb', 1)]) {
    expect(() => checkVolume(volume, other)).toThrow(VolumeOfAnother);
    expect(() => claimVolume(volume, other)).toThrow(/is the volume of broker 1 of installation aa, not of/);
  }
});

it('a volume is taken over once an operator has given up what is missing', () => {
  claimVolume(volume, volumeOwner('bb', 1));
  writeFileSync(join(volume, 'given-up'), '');
  checkVolume(volume, mine);
  claimVolume(volume, mine);
  rmSync(join(volume, 'given-up'));
  checkVolume(volume, mine);
});

it('volumes name their installation, when all that are in their place name the same', () => {
  expect(installationOf(join(volume, 'none'))).toBeUndefined();
  expect(installationOf(volume)).toBeUndefined();
  const claim = (name: string, owner: string): void => {
    mkdirSync(join(volume, name));
    claimVolume(join(volume, name), owner);
  };
  claim('1', volumeOwner('aa', 1));
  claim('2', volumeOwner('aa', 2));
  mkdirSync(join(volume, '3'));
  claim('5', volumeOwner('bb', 4));
  expect(installationOf(volume)).toBe('aa');
  claim('4', volumeOwner('bb', 4));
  expect(installationOf(volume)).toBeUndefined();
});

it('a damaged name is told from another owner’s, and the way out is named', () => {
  claimVolume(volume, mine);
  const file = join(volume, 'belongs-to');
  for (const text of ['broker 1 of inst', '\0\0\0\0', 'broker 1 of installation \ufffda']) {
    writeFileSync(file, text);
    expect(() => checkVolume(volume, mine)).toThrow(
      `${file} is damaged: if ${volume} is the volume of ${mine}, remove that file`,
    );
  }
  rmSync(file);
  claimVolume(volume, mine);
  checkVolume(volume, mine);
});
