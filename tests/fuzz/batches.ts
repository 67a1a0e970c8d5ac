/** Record batches to send: whole ones, and those whose inside or outside is not what it says. */
import { crc32c } from '../../engine/kernel/crc32c.ts';
import { batchField, codec } from '../../engine/records/batch.ts';
import { compress } from '../../engine/records/compression.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { damage, type Draw, oddIntegers } from './draw.ts';

const mebi = 1024 * 1024;
/** What batches of zeros look like when they are small. Snappy takes a twentieth, and a batch has 1 MiB at most. */
const bombs = await Promise.all(
  [
    { codecId: codec.gzip, bytes: 64 * mebi },
    { codecId: codec.snappy, bytes: 16 * mebi },
    { codecId: codec.lz4, bytes: 64 * mebi },
    { codecId: codec.zstd, bytes: 64 * mebi },
  ].map(async ({ codecId, bytes }) => ({ codecId, packed: await compress(codecId, Buffer.alloc(bytes)) })),
);

export function wholeBatch(draw: Draw, mark: string, nowMs: number): Buffer {
  const records = Array.from({ length: 1 + draw.below(3) }, (_, i) => ({
    key: draw.chance(50) ? null : Buffer.from(`k${i}`),
    value: draw.chance(5) ? null : Buffer.from(`${mark}:${i}`),
    timestampMs: nowMs,
  }));
  return Buffer.from(encodeBatch(records));
}

export function hostileBatch(draw: Draw, mark: string, nowMs: number): Buffer {
  const batch = wholeBatch(draw, mark, nowMs);
  switch (draw.below(6)) {
    case 0:
      return batch;
    case 1:
      return damage(draw, batch);
    case 2:
      return Buffer.concat([batch, wholeBatch(draw, mark, nowMs)]);
    case 3: {
      // The checksum is right and a field is not: only the judging of fields is left to refuse it.
      const field = draw.pick(['lastOffsetDelta', 'count', 'baseSequence', 'batchLength', 'attributes'] as const);
      if (field === 'attributes') batch.writeInt16BE(draw.below(0x80), batchField.attributes);
      else batch.writeInt32BE(draw.pick(oddIntegers), batchField[field]);
      return withCrc(batch);
    }
    case 4: {
      const bomb = draw.chance(20) ? draw.pick(bombs) : undefined;
      const packed = bomb?.packed ?? draw.bytes(draw.below(200));
      const out = Buffer.concat([batch.subarray(0, batchField.records), packed]);
      out.writeInt32BE(out.length - 12, batchField.batchLength);
      out.writeInt16BE(bomb?.codecId ?? 1 + draw.below(6), batchField.attributes);
      return withCrc(out);
    }
    default:
      return draw.bytes(draw.below(120));
  }
}

function withCrc(batch: Buffer): Buffer {
  batch.writeInt32BE(crc32c(batch, 0, batchField.attributes, batch.length) | 0, batchField.crc);
  return batch;
}
