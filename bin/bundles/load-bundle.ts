/**
 * Loads a bundle (bundles.ts) with its compiled form, V8's code cache, which lies beside it. At the start of a program this
 * saves reading all the source. In its first minutes it saves compiling whatever the cache's maker has run
 * (make-bundles.ts): clients wait for the first recovery of a process.
 *
 * Dynamic imports of a bundle must be inside it or use require: Node 20 has no loader for import() in such a script. Node
 * 22 has its own cache (module.enableCompileCache), Node 20 has none. V8 rejects a cache of another source or version, and
 * then compiles as usual.
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

/**
 * Returns what the CommonJS file exports; the file runs once. Files beside it that it requires are loaded in the same way.
 */
export function loadBundle(file: string): unknown {
  const known = loaded.get(file);
  if (known) return known.exports;
  const module: Loaded = { exports: {} };
  // Before it runs: two chunks may require each other.
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

/** Saves the compiled form of all code that has been loaded and run so far. A concurrent reader gets the previous file. */
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
