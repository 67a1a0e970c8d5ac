/**
 * A program that builds the bundles of bundles.ts from the compiled output when they are stale, and their compiled form
 * (load-bundle.ts). That form holds the code that has run when it is taken. So this program loads everything and runs the
 * engine through a few simulated worlds with dying brokers; the first recovery of a process is then not the first time that
 * its code is compiled.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OutputChunk, rolldown } from 'rolldown';
import { assert } from '../../engine/kernel/assert.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { bundleFolder, bundleNote, type BundleNote, freshBundles, inputOf } from './bundles.ts';
import { loadBundle, writeCodeCaches } from './load-bundle.ts';
import type { runSeed } from '../simulate/simulate-seed.ts';

/** The compiled entry files of bundles. Code that several of them use goes into files of its own. */
/** Below bin/. */
const entries = ['serve/run-serve', 'broker/broker-program', 'simulate/simulate-seed'];
/** Built separately: it loads one of the bundles. */
const scripts = ['broker/start-broker'];
/** Packages of many files. All others stay outside: some are native, others are loaded only by the code that uses them. */
const inlined =
  /^(commander|hono|@hono|zod|jose|@asteasolutions|openapi3-ts|yaml|prom-client|tdigest|bintrees|@opentelemetry)(\/|$)/;

const rehearsed = [
  { seed: 1, scenario: 'mixed' },
  { seed: 2, scenario: 'mixed' },
];

/** Outside a comment. */
const dynamicImport = /^(?!\s*(?:\*|\/\/)).*[^.\w]import\(/m;

/** How long a file of an earlier compilation stays. */
const keptMs = 600_000;

const dist = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = bundleFolder(dist);
/** Stands for the packages. */
const lockFile = join('..', 'package-lock.json');

if (!freshBundles(dist)) await make();

async function make(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  rmSync(bundleNote(dist), { force: true });
  const programs = await bundle(entries);
  const chunks = [...programs, ...(await bundle(scripts))];
  for (const { fileName, code } of chunks) writeWhole(join(folder, fileName), code);
  await rehearse(programs);
  removeOld(chunks.map(({ fileName }) => fileName));
  const inputs = new Set([lockFile]);
  for (const { moduleIds } of chunks) {
    for (const id of moduleIds) {
      const path = relative(dist, id);
      if (!id.startsWith('\0') && !path.startsWith('..')) inputs.add(path);
    }
  }
  const note: BundleNote = {
    node: process.version,
    programs: {
      serve: fileOf(chunks, 'run-serve'),
      broker: fileOf(chunks, 'broker-program'),
      startBroker: fileOf(chunks, 'start-broker'),
    },
    inputs: [...inputs].map((path) => inputOf(dist, path)),
  };
  writeWhole(bundleNote(dist), JSON.stringify(note));
}

/**
 * CommonJS, which Node loads with less work than modules, and which alone accepts a code cache. Every file name has the
 * hash of its content: V8 checks only the length to decide whether a code cache belongs to a source.
 */
async function bundle(paths: readonly string[]): Promise<OutputChunk[]> {
  const made = await rolldown({
    input: Object.fromEntries(paths.map((path) => [basename(path), join(dist, 'bin', `${path}.js`)])),
    platform: 'node',
    external: (id) => /^[^./\0]/.test(id) && !inlined.test(id),
  });
  const entryFileNames = '[name]-[hash].cjs';
  const chunkFileNames = entryFileNames;
  // import() of a package becomes require(): see load-bundle.ts.
  const { output } = await made.generate({ format: 'cjs', entryFileNames, chunkFileNames, dynamicImportInCjs: false });
  await made.close();
  const chunks = output.filter((part) => part.type === 'chunk');
  for (const { fileName, code } of chunks) assert(!dynamicImport.test(code), `${fileName} imports dynamically`);
  return chunks;
}

function fileOf(chunks: readonly OutputChunk[], entry: string): string {
  return chunks.find(({ name, isEntry }) => isEntry && name === entry)!.fileName;
}

async function rehearse(programs: readonly OutputChunk[]): Promise<void> {
  for (const { fileName } of programs) loadBundle(join(folder, fileName));
  const world = loadBundle(join(folder, fileOf(programs, 'simulate-seed'))) as { readonly runSeed: typeof runSeed };
  for (const { seed, scenario } of rehearsed) {
    await world.runSeed({ seed, scenario, steps: undefined, json: false, shrink: false, isAlone: false });
  }
  writeCodeCaches();
}

/** Removes files of earlier compilations, unless a process may be loading them. */
function removeOld(kept: readonly string[]): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const isOurs = kept.some((file) => name.startsWith(file));
    if (!isOurs && statSync(path).mtimeMs < systemClock.wallMs() - keptMs) rmSync(path, { force: true });
  }
}

/** A concurrent reader gets either the previous file or this one. */
function writeWhole(path: string, text: string): void {
  const written = `${path}.${process.pid}`;
  writeFileSync(written, text);
  renameSync(written, path);
}
