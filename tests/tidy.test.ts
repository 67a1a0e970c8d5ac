/**
 * The house rules that no linter knows, as tests: direction of imports, sizes, no ambient clock or randomness, docs in
 * step with the code. A rule with exceptions names them here, and the list only shrinks.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folders = ['engine', 'tenancy', 'gateway', 'infra', 'bin', 'loadtests', 'tests'];

function filesUnder(folder: string, ending: string): string[] {
  const found: string[] = [];
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) found.push(...filesUnder(path, ending));
    else if (name.endsWith(ending)) found.push(path);
  }
  return found;
}

const everything = folders.flatMap((f) => filesUnder(join(root, f), '.ts')).map((path) => relative(root, path));
const isTest = (path: string): boolean => /\.(test|suite)\.ts$/.test(path) || path.startsWith('tests/');
const production = everything.filter((path) => !isTest(path));
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Comments and strings blanked out, so that words in them are no finding. */
function code(path: string): string {
  return text(path)
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/\/\/[^\n]*/g, '');
}

function importsOf(path: string): string[] {
  const found: string[] = [];
  for (const match of code(path).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    found.push(relative(root, resolve(root, dirname(path), match[1]!)));
  }
  return found;
}

/** A layer imports itself and what stands below it. Inside the engine several parts share a level but not each other. */
const levels: readonly (readonly [prefix: string, level: number])[] = [
  ['bin/', 88],
  ['loadtests/', 95],
  ['tests/', 90],
  ['infra/', 85],
  ['gateway/', 80],
  ['tenancy/', 70],
  ['engine/routing/', 55],
  ['engine/controller/', 55],
  ['engine/broker/', 45],
  ['engine/log/', 35],
  ['engine/link/', 35],
  ['engine/placement/', 35],
  ['engine/catalogue', 40],
  ['engine/engine.ts', 30],
  ['engine/topic-configs', 25],
  ['engine/store', 30],
  ['engine/ports.ts', 25],
  ['engine/protocol/', 20],
  ['engine/records/', 20],
  ['engine/kernel/', 10],
];

function level(path: string): readonly [string, number] {
  const found = levels.find(([prefix]) => path.startsWith(prefix));
  if (!found) throw new Error(`${path} has no level in tests/tidy.test.ts`);
  return found;
}

/** Row codecs are the shape of the store's contents: read by whoever reads the store. */
const rowReaders: readonly (readonly [importer: string, imported: string])[] = [
  ['engine/catalogue', 'engine/controller/rows/'],
  ['engine/broker/', 'engine/controller/rows/'],
  ['engine/broker/', 'engine/controller/lease.ts'],
  ['engine/broker/', 'engine/routing/coordinator-seat.ts'],
  ['engine/broker/', 'engine/routing/coordinator-client.ts'],
];

describe('house rules', () => {
  it('finds the code it judges', () => {
    expect(production.length).toBeGreaterThan(100);
  });

  it('imports go one way', () => {
    const wrong: string[] = [];
    for (const path of everything) {
      const [own, ownLevel] = level(path);
      for (const target of importsOf(path)) {
        const [other, otherLevel] = level(target);
        if (own === other || otherLevel < ownLevel) continue;
        if (path.startsWith('tests/') || (isTest(path) && otherLevel <= ownLevel)) continue;
        if (rowReaders.some(([from, to]) => path.startsWith(from) && target.startsWith(to))) continue;
        wrong.push(`${path} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('files stay short: median near 100, none over 700', () => {
    const lengths = production.map((path) => [path, text(path).split('\n').length] as const);
    const sorted = lengths.map(([, n]) => n).sort((a, b) => a - b);
    expect(lengths.filter(([, n]) => n > 700)).toEqual([]);
    expect(sorted[Math.floor(sorted.length * 0.9)]).toBeLessThan(350);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(150);
  });

  it('clock, timers and randomness are handed in', () => {
    const ambient =
      /(?<![.\w])(Date\.now|performance\.now|Math\.random|process\.hrtime|setTimeout|setInterval|setImmediate|randomUUID|randomBytes|randomFillSync)\b|\bnew Date\(\)/;
    /** The command line is a person's tool and a page runs in a browser: no parts of the system, they may look at the clock. */
    const allowed = (path: string): boolean =>
      ['engine/kernel/', 'bin/', 'loadtests/', 'gateway/admin/console/'].some((folder) => path.startsWith(folder));
    const wrong = production.filter((path) => !allowed(path) && ambient.test(code(path)));
    expect(wrong).toEqual([]);
  });

  it('file names say what a file is for', () => {
    const vague = /(^|[/-])(utils?|helpers?|common|manager|service|misc)([.-]|$)/;
    expect(everything.filter((path) => vague.test(path))).toEqual([]);
  });

  it('has no loose types', () => {
    const loose = /\bas any\b|(?<!allow): any\b|<any>/;
    const wrong = everything.filter(
      (path) =>
        path !== 'tests/tidy.test.ts' &&
        (loose.test(code(path)) || /@ts-(ignore|expect-error|nocheck)/.test(text(path))),
    );
    expect(wrong).toEqual([]);
  });

  it('has no unfinished code', () => {
    const marker = /\b(TODO|FIXME|XXX)\b/;
    const wrong = everything.filter((path) => path !== 'tests/tidy.test.ts' && marker.test(text(path)));
    expect(wrong).toEqual([]);
  });

  it('pure folders have no await', () => {
    const pure = ['engine/placement/', 'engine/protocol/', 'engine/kernel/failure.ts', 'tenancy/quota/bucket.ts'];
    const wrong = production.filter(
      (path) => pure.some((p) => path.startsWith(p)) && /\b(await|async)\b/.test(code(path)),
    );
    expect(wrong).toEqual([]);
  });

  it('every module opens with its purpose', () => {
    const wrong = production.filter((path) => {
      const source = text(path);
      return (
        source.split('\n').length > 40 &&
        !/^(#!.*\n)?(import [^\n]*\n|\s|import [\s\S]*? from '[^']+';\n)*\/\*\*/.test(source)
      );
    });
    expect(wrong).toEqual([]);
  });

  it('links in the docs lead somewhere', () => {
    const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md']
      .filter((page) => existsSync(join(root, page)))
      .concat(filesUnder(join(root, 'docs'), '.md').map((path) => relative(root, path)));
    const dead: string[] = [];
    for (const page of pages) {
      for (const match of text(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)) {
        if (!existsSync(resolve(root, dirname(page), match[1]!))) dead.push(`${page}: ${match[1]}`);
      }
    }
    expect(dead).toEqual([]);
  });

  it('paths that the architecture page names exist', () => {
    const named = [
      ...text('docs/ARCHITECTURE.md').matchAll(
        /\b((?:engine|tenancy|gateway|infra|bin|tests|loadtests)\/[\w/.-]+\.(?:ts|mjs))\b/g,
      ),
    ];
    expect(named.length).toBeGreaterThan(10);
    expect(named.map((m) => m[1]!).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
