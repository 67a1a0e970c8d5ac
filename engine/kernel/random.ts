import { randomFillSync } from 'node:crypto';

/** Randomness is passed in, so that a seed reproduces a run. */
export interface Random {
  /** Uniform in [0, 2^32). */
  u32(): number;
  bytes(length: number): Buffer;
}

/** Cryptographic randomness from the operating system, for ids, keys and secrets in production. */
export const systemRandom: Random = {
  u32: () => systemRandom.bytes(4).readUInt32LE(0),
  bytes: (length) => randomFillSync(Buffer.allocUnsafe(length)),
};

/** The same seed gives the same sequence (mulberry32). Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const u32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return {
    u32,
    bytes(length) {
      const out = Buffer.allocUnsafe(length);
      for (let i = 0; i < length; i++) out[i] = u32() & 0xff;
      return out;
    },
  };
}

/** Uniform integer in [0, bound). */
export function below(random: Random, bound: number): number {
  return Math.floor((random.u32() / 0x1_0000_0000) * bound);
}
