/**
 * Loads a bundle (bundles.ts) with the compiled form of it that lies beside it: V8's code cache. Of a program's start it
 * spares the reading of all the source, and of its first minutes the compilation of what the cache's maker has run
 * (make-bundles.ts): the first recovery of a process is one for which clients wait.
 *
 * What a bundle imports dynamically must be in it, or be asked for by require: Node 20 has no loader for import() in such a
 * script. Node 22 has a cache of its own (module.enableCompileCache), Node 20 has none. V8 refuses a cache that is not of this
 * source and this version, and then compiles as ever.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';

interface Loaded {
  exports: unknown;
}

const loaded = new Map<string, Loaded>();
const scripts = new Map<string, Script>();

/** What the CommonJS file exports; it is run once. Files beside it that it asks for are loaded in the same way. */
export function loadBundle(file: string): unknown {
  const known = loaded.get(file);
  if (known) return known.exports;
  const module: Loaded = { exports: {} };
  // Before it runs: two chunks may ask for each other.
  loaded.set(file, module);
  const cachedData = cacheOf(file);
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`;
  const script = new Script(source, {
    filename: file,
    ...(cachedData ? { cachedData } : {}),
  });
  scripts.set(file, script);
  const folder = dirname(file);
  const requireOther = createRequire(file);
  const requireAny = (id: string): unknown => (id.startsWith('./') ? loadBundle(join(folder, id)) : requireOther(id));
  const run = script.runInThisContext() as (...given: unknown[]) => void;
  run.call(module.exports, module.exports, Object.assign(requireAny, requireOther), module, file, folder);
  return module.exports;
}

/** Keeps the compiled form of all that was loaded and has run by now. Whoever reads it meanwhile reads the former one. */
export function writeCodeCaches(): void {
  for (const [file, script] of scripts) {
    const written = `${cachePath(file)}.${process.pid}`;
    writeFileSync(written, script.createCachedData());
    renameSync(written, cachePath(file));
  }
}

function cachePath(file: string): string {
  return `${file}.cache`;
}

function cacheOf(file: string): Buffer | undefined {
  try {
    return readFileSync(cachePath(file));
  } catch {
    return undefined;
  }
}
