/** A program: makes the bundles of bundles.ts from the compiled output, those that are not what was compiled last. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { bundleFolder, type BundleName, bundleNote, type BundleNote, freshBundle, inputOf } from './bundles.ts';

interface Recipe {
  readonly name: BundleName;
  /** The compiled file that it begins with. */
  readonly entry: string;
  /** Node loads CommonJS with less work; a module that others import is one of theirs. */
  readonly format: 'cjs' | 'esm';
}

const recipes: readonly Recipe[] = [
  { name: 'broker', entry: 'broker-main.js', format: 'cjs' },
  { name: 'serve-gateway', entry: 'serve-gateway.js', format: 'esm' },
];
/** Packages of many files. All others stay outside: some are native, others are loaded only by who uses them. */
const inlined =
  /^(hono|@hono|zod|jose|@asteasolutions|openapi3-ts|yaml|prom-client|tdigest|bintrees|@opentelemetry)(\/|$)/;

const dist = dirname(dirname(fileURLToPath(import.meta.url)));
/** Stands for the packages. */
const lockFile = join('..', 'package-lock.json');

for (const recipe of recipes) if (!freshBundle(dist, recipe.name)) await make(recipe);

async function make({ name, entry, format }: Recipe): Promise<void> {
  const bundle = await rolldown({
    input: { [name]: join(dist, 'bin', entry) },
    platform: 'node',
    external: (id) => /^[^./\0]/.test(id) && !inlined.test(id),
  });
  const ending = format === 'cjs' ? 'cjs' : 'mjs';
  const names = { entryFileNames: `[name].${ending}`, chunkFileNames: `[name]-[hash].${ending}` };
  const { output } = await bundle.generate({ format, ...names });
  await bundle.close();
  const inputs = new Set([lockFile]);
  mkdirSync(bundleFolder(dist), { recursive: true });
  rmSync(bundleNote(dist, name), { force: true });
  for (const chunk of output) {
    if (chunk.type !== 'chunk') continue;
    for (const id of chunk.moduleIds) {
      const path = relative(dist, id);
      if (!id.startsWith('\0') && !path.startsWith('..')) inputs.add(path);
    }
    writeWhole(join(bundleFolder(dist), chunk.fileName), chunk.code);
  }
  const note: BundleNote = { program: output[0].fileName, inputs: [...inputs].map((path) => inputOf(dist, path)) };
  writeWhole(bundleNote(dist, name), JSON.stringify(note));
}

/** Whoever reads it at this moment reads the former file or this one. */
function writeWhole(path: string, text: string): void {
  const written = `${path}.${process.pid}`;
  writeFileSync(written, text);
  renameSync(written, path);
}
