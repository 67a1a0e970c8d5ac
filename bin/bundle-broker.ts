/** A program: makes the bundle of broker-bundle.ts from the compiled output. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { bundleFolder, bundleNote, type BundleNote, inputOf } from './broker-bundle.ts';

const dist = dirname(dirname(fileURLToPath(import.meta.url)));
const bundle = await rolldown({
  input: { broker: join(dist, 'bin', 'broker-main.js') },
  platform: 'node',
  // Packages stay outside: some are native, and one is loaded only by who uses it.
  external: [/^[^./\0]/],
});
// As CommonJS: Node loads that with half the work.
const names = { entryFileNames: '[name].cjs', chunkFileNames: '[name]-[hash].cjs' };
const { output } = await bundle.generate({ format: 'cjs', ...names });
await bundle.close();

const inputs = new Set<string>();
mkdirSync(bundleFolder(dist), { recursive: true });
rmSync(bundleNote(dist), { force: true });
for (const chunk of output) {
  if (chunk.type !== 'chunk') continue;
  for (const id of chunk.moduleIds) if (!id.startsWith('\0')) inputs.add(relative(dist, id));
  writeWhole(join(bundleFolder(dist), chunk.fileName), chunk.code);
}
const note: BundleNote = { program: output[0].fileName, inputs: [...inputs].map((path) => inputOf(dist, path)) };
writeWhole(bundleNote(dist), JSON.stringify(note));

/** Whoever reads it at this moment reads the former file or this one. */
function writeWhole(path: string, text: string): void {
  const written = `${path}.${process.pid}`;
  writeFileSync(written, text);
  renameSync(written, path);
}
