/** A place in a segment file of a running installation, and bits around it to flip. */
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { below, seededRandom } from '../../engine/kernel/random.ts';

const spreadBytes = 1500;

export interface Rot {
  /** Bits near the text, drawn from a fixed seed. */
  positions(count: number): number[];
  flip(bit: number): void;
}

/** Throws when no segment file has the text. */
export function findRecords(data: string, text: string): Rot {
  const folder = join(data, 'segments');
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    const path = join(folder, name);
    const bytes = contentOf(path);
    const at = bytes?.indexOf(text) ?? -1;
    if (bytes === undefined || at < 0) continue;
    const from = Math.max(0, at - spreadBytes);
    const to = Math.min(bytes.length, at + spreadBytes);
    const random = seededRandom(17);
    return {
      positions: (count) => Array.from({ length: count }, () => from * 8 + below(random, (to - from) * 8)),
      flip(bit) {
        const fd = openSync(path, 'r+');
        const byte = Buffer.alloc(1);
        readSync(fd, byte, 0, 1, bit >> 3);
        byte[0]! ^= 1 << (bit & 7);
        writeSync(fd, byte, 0, 1, bit >> 3);
        closeSync(fd);
      },
    };
  }
  throw new Error(`no segment has ${text}`);
}

function contentOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') return undefined;
    throw error;
  }
}
