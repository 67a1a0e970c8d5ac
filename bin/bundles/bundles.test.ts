import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleFolder, bundleNote, freshBundles, inputOf } from './bundles.ts';

describe('bundles', () => {
  let dist: string;
  const programs = { serve: 'run-serve-1.cjs', broker: 'broker-program-2.cjs', startBroker: 'start-broker-3.cjs' };
  const note = (node = process.version): string => {
    const inputs = ['engine/a.js', 'engine/b.js'].map((path) => inputOf(dist, path));
    return JSON.stringify({ node, programs, inputs });
  };

  beforeEach(() => {
    dist = mkdtempSync(join(tmpdir(), 'headgate-bundle-'));
    mkdirSync(join(dist, 'engine'));
    writeFileSync(join(dist, 'engine', 'a.js'), 'a');
    writeFileSync(join(dist, 'engine', 'b.js'), 'b');
    mkdirSync(bundleFolder(dist));
    for (const name of Object.values(programs)) writeFileSync(join(bundleFolder(dist), name), 'both');
    writeFileSync(bundleNote(dist), note());
  });
  afterEach(() => rmSync(dist, { recursive: true }));

  it('are used while they match the compiled files', () => {
    expect(freshBundles(dist)).toEqual({
      serve: join(bundleFolder(dist), programs.serve),
      broker: join(bundleFolder(dist), programs.broker),
      startBroker: join(bundleFolder(dist), programs.startBroker),
    });
  });

  it('are not used after a file was compiled again, grew, or was removed', () => {
    utimesSync(join(dist, 'engine', 'a.js'), 1, 1);
    expect(freshBundles(dist)).toBeUndefined();
    writeFileSync(bundleNote(dist), note());
    expect(freshBundles(dist)).toBeDefined();
    writeFileSync(join(dist, 'engine', 'a.js'), 'longer');
    utimesSync(join(dist, 'engine', 'a.js'), 1, 1);
    expect(freshBundles(dist)).toBeUndefined();
    rmSync(join(dist, 'engine', 'a.js'));
    expect(freshBundles(dist)).toBeUndefined();
  });

  it('are not used by another version of Node', () => {
    writeFileSync(bundleNote(dist), note('v0.1.0'));
    expect(freshBundles(dist)).toBeUndefined();
  });

  it('are not used if a bundle is gone, or their note is missing or half written', () => {
    rmSync(join(bundleFolder(dist), programs.broker));
    expect(freshBundles(dist)).toBeUndefined();
    writeFileSync(bundleNote(dist), note().slice(0, 60));
    expect(freshBundles(dist)).toBeUndefined();
    rmSync(bundleNote(dist));
    expect(freshBundles(dist)).toBeUndefined();
  });
});
