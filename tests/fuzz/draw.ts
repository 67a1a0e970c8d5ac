/** Choices of a seeded run, and what damage looks like. */
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';

export class Draw {
  readonly random: Random;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  below(bound: number): number {
    return below(this.random, bound);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Mostly few, at times many. */
  count(few: number, many: number): number {
    return this.chance(95) ? this.below(few + 1) : this.below(many + 1);
  }

  bytes(length: number): Buffer {
    return this.random.bytes(length);
  }

  text(): string {
    return this.pick(oddTexts) ?? '';
  }
}

export const oddTexts: readonly string[] = [
  '',
  'a',
  '.',
  '..',
  '../../etc/passwd',
  '__consumer_offsets',
  'constructor',
  '__proto__',
  'null',
  '0',
  '-1',
  '9007199254740993',
  '1e309',
  'NaN',
  '%',
  '%00',
  '%2e%2e%2f',
  '%c3%28',
  '\u0000',
  '\ufffd',
  '\u202e',
  'é',
  '日本語',
  '😀',
  "'; drop table topics; --",
  '<script>',
  'a\r\nset-cookie: x=1',
  '{{7*7}}',
  '$(id)',
  'x'.repeat(249),
  'x'.repeat(250),
  'x'.repeat(5_000),
];

/** Integers at which a length or a count begins to mean something else. */
export const oddIntegers: readonly number[] = [
  -0x8000_0000, -0x8000, -129, -128, -3, -2, -1, 0, 1, 2, 3, 127, 128, 255, 256, 0x7fff, 0xffff, 0x1_0000, 1_000_000,
  1_000_001, 0x0fff_ffff, 0x7fff_fffe, 0x7fff_ffff,
];

/** One to four wounds: flipped bits, odd lengths, cut, extended, doubled, removed or random pieces. */
export function damage(draw: Draw, valid: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(valid);
  for (let wounds = 1 + draw.below(4); wounds > 0; wounds--) bytes = wound(draw, bytes);
  return bytes;
}

function wound(draw: Draw, bytes: Buffer): Buffer {
  const at = draw.below(bytes.length + 1);
  switch (draw.below(9)) {
    case 0:
    case 1:
      if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << draw.below(8));
      return bytes;
    case 2:
      if (at < bytes.length) bytes[at] = draw.pick([0, 1, 0x7f, 0x80, 0xff]);
      return bytes;
    case 3:
      if (at + 4 <= bytes.length) bytes.writeInt32BE(draw.pick(oddIntegers), at);
      return bytes;
    case 4:
      if (at + 2 <= bytes.length) bytes.writeInt16BE((draw.pick(oddIntegers) << 16) >> 16, at);
      return bytes;
    case 5:
      return bytes.subarray(0, at);
    case 6:
      return Buffer.concat([bytes, draw.bytes(draw.below(64))]);
    case 7: {
      const end = Math.min(bytes.length, at + draw.below(64));
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    }
    default: {
      const end = Math.min(bytes.length, at + draw.below(16));
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    }
  }
}
