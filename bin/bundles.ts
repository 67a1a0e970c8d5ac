/**
 * Programs as one file each, made after a compilation (make-bundles.ts): the brokers', and gateway and controller. Node
 * spends more time on finding and opening hundreds of small files than on running them, and nothing is writable before
 * they have loaded: when brokers die together, when their parent died with them, when Headgate starts.
 *
 * A bundle is used only while it is what was compiled: size and time of every file that went into it are noted beside it.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export type BundleName = 'broker' | 'serve-gateway';

export interface BundleNote {
  /** The file of the bundle, beside the note. */
  readonly program: string;
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

export function bundleNote(dist: string, name: BundleName): string {
  return join(bundleFolder(dist), `${name}.json`);
}

/** Throws what the file system throws. */
export function inputOf(dist: string, path: string): BundleInput {
  const { size, mtimeMs } = statSync(join(dist, path));
  return { path, bytes: size, modifiedMs: mtimeMs };
}

/** The bundle, or undefined when there is none or something was compiled since. */
export function freshBundle(dist: string, name: BundleName): string | undefined {
  try {
    const { program, inputs } = JSON.parse(readFileSync(bundleNote(dist, name), 'utf8')) as BundleNote;
    const isFresh = inputs.every((input) => {
      const { bytes, modifiedMs } = inputOf(dist, input.path);
      return bytes === input.bytes && modifiedMs === input.modifiedMs;
    });
    const file = join(bundleFolder(dist), program);
    return isFresh && statSync(file).isFile() ? file : undefined;
  } catch {
    // No note, half a note, or a file of it is gone: the program as it was compiled serves as well.
    return undefined;
  }
}
