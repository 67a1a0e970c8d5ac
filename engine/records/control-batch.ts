/**
 * Transaction markers: a control batch of one record that ends a producer's transaction in one partition (KIP-98). It takes
 * one offset, and consumers skip it.
 */
import { batchField, CorruptBatch, isControl } from './batch.ts';
import { readI16, readI32, writeI16, writeI32 } from './bytes.ts';
import { forEachRecord } from './decode.ts';
import { encodeBatch } from './encode.ts';

export type MarkerKind = 'abort' | 'commit';

export interface TransactionMarker {
  readonly kind: MarkerKind;
  readonly coordinatorEpoch: number;
}

export function encodeMarker(
  marker: TransactionMarker,
  producerId: number,
  producerEpoch: number,
  timestampMs: number,
): Buffer {
  // Key: version i16 = 0, type i16. Value: version i16 = 0, coordinator epoch i32.
  const key = Buffer.alloc(4);
  writeI16(key, 2, marker.kind === 'commit' ? 1 : 0);
  const value = Buffer.alloc(6);
  writeI32(value, 2, marker.coordinatorEpoch);
  const options = { producerId, producerEpoch, baseSequence: -1, isTransactional: true, isControl: true };
  return encodeBatch([{ key, value, timestampMs }], options);
}

/** Undefined for a control batch of another type, which a reader must ignore. Throws CorruptBatch. */
export function readMarker(batch: Buffer): TransactionMarker | undefined {
  if (!isControl(batch, 0))
    throw new CorruptBatch(`attributes ${batch[batchField.attributes + 1]} are no control batch`);
  let marker: TransactionMarker | undefined;
  forEachRecord(batch, (_offset, _timestampMs, key, value) => {
    if (key === null || key.length < 4) throw new CorruptBatch('control record without a type');
    const type = readI16(key, 2);
    if (type > 1) return;
    if (value === null || value.length < 6) throw new CorruptBatch('transaction marker without a value');
    marker = { kind: type === 1 ? 'commit' : 'abort', coordinatorEpoch: readI32(value, 2) };
  });
  return marker;
}
