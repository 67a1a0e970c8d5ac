/**
 * Programs as one file each, built after a compilation (make-bundles.ts): `headgate serve` and the brokers' program. Node
 * spends more time on finding, opening and compiling hundreds of small files than on running them. Nothing is writable
 * until they have loaded: when brokers die together, when they died with their parent, when Headgate starts.
 *
 * Bundles are used only while they match the compiled output. A note beside them holds the size and time of every file that
 * went into them, and the version of Node, whose compiled form of them lies beside them too (load-bundle.ts).
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The entry files. Their names change with their content. */
export interface Bundles {
  /** Exports what run-serve.ts does; for loadBundle. */
  readonly serve: string;
  /** Exports what broker-program.ts does; for loadBundle. */
  readonly broker: string;
  /** The script of a broker process: start-broker.ts, which receives the program to load. */
  readonly startBroker: string;
}

export interface BundleNote {
  readonly node: string;
  /** Paths of files beside the note. */
  readonly programs: Bundles;
  readonly inputs: readonly BundleInput[];
}

interface BundleInput {
  /** Relative to the compiled output. */
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** `dist`: the compiled output as a whole. */
export function bundleFolder(dist: string): string {
  return join(dist, 'bundle');
}

export function bundleNote(dist: string): string {
  return join(bundleFolder(dist), 'bundles.json');
}

/** Throws what the file system throws. */
export function inputOf(dist: string, path: string): BundleInput {
  const { size, mtimeMs } = statSync(join(dist, path));
  return { path, bytes: size, modifiedMs: mtimeMs };
}

/** Undefined when there are none or the compiled output has changed since. */
export function freshBundles(dist: string): Bundles | undefined {
  try {
    const { node, programs, inputs } = JSON.parse(readFileSync(bundleNote(dist), 'utf8')) as BundleNote;
    const isFresh = inputs.every((input) => {
      const { bytes, modifiedMs } = inputOf(dist, input.path);
      return bytes === input.bytes && modifiedMs === input.modifiedMs;
    });
    const of = (name: string): string => join(bundleFolder(dist), name);
    const { serve, broker, startBroker } = programs;
    const bundles = { serve: of(serve), broker: of(broker), startBroker: of(startBroker) };
    const isWhole = Object.values(bundles).every((file) => statSync(file).isFile());
    return isFresh && isWhole && node === process.version ? bundles : undefined;
  } catch {
    // The note is missing or incomplete, or a file of it is gone: the compiled program serves as well.
    return undefined;
  }
}
