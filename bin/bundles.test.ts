import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleFolder, bundleNote, freshBundle, inputOf } from './bundles.ts';

describe('a bundle', () => {
  let dist: string;
  let program: string;

  beforeEach(() => {
    dist = mkdtempSync(join(tmpdir(), 'headgate-bundle-'));
    mkdirSync(join(dist, 'engine'));
    writeFileSync(join(dist, 'engine', 'a.js'), 'a');
    writeFileSync(join(dist, 'engine', 'b.js'), 'b');
    mkdirSync(bundleFolder(dist));
    program = join(bundleFolder(dist), 'broker.cjs');
    writeFileSync(program, 'both');
    const inputs = ['engine/a.js', 'engine/b.js'].map((path) => inputOf(dist, path));
    writeFileSync(bundleNote(dist, 'broker'), JSON.stringify({ program: 'broker.cjs', inputs }));
  });
  afterEach(() => rmSync(dist, { recursive: true }));

  it('is used while it is what was compiled', () => {
    expect(freshBundle(dist, 'broker')).toBe(program);
  });

  it('is not used when a file was compiled since, grew, or is gone', () => {
    utimesSync(join(dist, 'engine', 'a.js'), 1, 1);
    expect(freshBundle(dist, 'broker')).toBeUndefined();
    rmSync(join(dist, 'engine', 'a.js'));
    expect(freshBundle(dist, 'broker')).toBeUndefined();
  });

  it('is not used when it is gone, or its note is missing or half written', () => {
    writeFileSync(bundleNote(dist, 'broker'), '{"program":"broker.cjs","inp');
    expect(freshBundle(dist, 'broker')).toBeUndefined();
    rmSync(bundleNote(dist, 'broker'));
    expect(freshBundle(dist, 'broker')).toBeUndefined();
    writeFileSync(bundleNote(dist, 'broker'), JSON.stringify({ program: 'broker.cjs', inputs: [] }));
    rmSync(program);
    expect(freshBundle(dist, 'broker')).toBeUndefined();
  });
});
