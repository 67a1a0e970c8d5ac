/**
 * The leader epoch at which each batch was sent, noted where it arrives at a broker: a batch accepted at another epoch
 * has lost its place among its neighbours, even if nobody can see it yet.
 */
import { decodeRequest, decodeRequestHeader } from '../../engine/protocol/headers.ts';
import { batchField, batchMagic, leaderEpoch } from '../../engine/records/batch.ts';

const produceKey = 0;

export class SentEpochs {
  /** By where the batch lies: the broker appends views of the frame. */
  readonly #epochs = new WeakMap<ArrayBufferLike, Map<number, number>>();

  /** False when what arrives is no batch any more: its sender has given its memory back before the socket had taken it. */
  note(frame: Buffer): boolean {
    if (frame.readInt16BE(0) !== produceKey) return true;
    const { apiVersion, bodyAt } = decodeRequestHeader(frame);
    let areBatches = true;
    for (const { partitionData } of decodeRequest(produceKey, apiVersion, frame, bodyAt).topicData) {
      for (const { records } of partitionData) {
        if (!(records instanceof Uint8Array)) continue;
        let known = this.#epochs.get(records.buffer);
        if (!known) this.#epochs.set(records.buffer, (known = new Map()));
        known.set(records.byteOffset, leaderEpoch(records, 0));
        if (records[batchField.magic] !== batchMagic) areBatches = false;
      }
    }
    return areBatches;
  }

  /** -1 for a batch that came in no frame. */
  of(batch: Buffer): number {
    return this.#epochs.get(batch.buffer)?.get(batch.byteOffset) ?? -1;
  }
}
