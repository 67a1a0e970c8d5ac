import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadBundle } from './load-bundle.ts';

describe('a bundle', () => {
  let folder: string;

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'headgate-load-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (name: string, code: string): string => {
    writeFileSync(join(folder, name), code);
    return join(folder, name);
  };

  it('has the exports of its entry file, and runs once', () => {
    const file = write('a.cjs', 'exports.made = {}; exports.name = __filename;');
    const first = loadBundle(file) as { made: object; name: string };
    expect(first.name).toBe(file);
    expect((loadBundle(file) as { made: object }).made).toBe(first.made);
  });

  it('loads neighbouring files and packages, even in a circle', () => {
    write('b.cjs', "const a = require('./a.cjs'); exports.late = () => a.value;");
    const file = write(
      'a.cjs',
      "exports.value = 7; exports.b = require('./b.cjs'); exports.sep = require('node:path').sep;",
    );
    const loaded = loadBundle(file) as { b: { late(): number }; sep: string };
    expect(loaded.b.late()).toBe(7);
    expect(loaded.sep).toBe('/');
  });

  it('loads with its compiled form, or without one that V8 refuses', async () => {
    const file = write('a.cjs', 'exports.twice = (n) => n * 2;');
    vi.resetModules();
    const maker = await import('./load-bundle.ts');
    expect((maker.loadBundle(file) as { twice(n: number): number }).twice(2)).toBe(4);
    maker.writeCodeCaches();
    expect(readdirSync(folder).sort()).toEqual(['a.cjs', 'a.cjs.cache']);
    for (const cache of [undefined, 'no code', '']) {
      if (cache !== undefined) write('a.cjs.cache', cache);
      // Another process, as far as this module knows.
      vi.resetModules();
      const another = await import('./load-bundle.ts');
      expect((another.loadBundle(file) as { twice(n: number): number }).twice(4)).toBe(8);
    }
  });
});
