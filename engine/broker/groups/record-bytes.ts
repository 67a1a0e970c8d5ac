/** Kafka's non-flexible encoding of one coordinator record, written and read front to back. */
import '../../kernel/buffer.ts';
import { InvalidRequest } from '../../kernel/failure.ts';
import { readI16, readI32, readI64, writeI16, writeI32, writeI64 } from '../../records/bytes.ts';

/** A string's length is an int16 in these records. */
export const textBytesMax = 32_767;

export class RecordWriter {
  #bytes = Buffer.allocUnsafe(256);
  #at = 0;

  i16(value: number): this {
    const at = this.#grow(2);
    writeI16(this.#bytes, at, value);
    return this;
  }

  i32(value: number): this {
    const at = this.#grow(4);
    writeI32(this.#bytes, at, value);
    return this;
  }

  /** Infinity stands for the largest int64, as in the codec. */
  i64(value: number): this {
    const at = this.#grow(8);
    if (value === Infinity) {
      writeI32(this.#bytes, at, 0x7fff_ffff);
      writeI32(this.#bytes, at + 4, -1);
    } else writeI64(this.#bytes, at, value);
    return this;
  }

  exactI64(value: number | bigint): this {
    if (typeof value === 'number') return this.i64(value);
    const at = this.#grow(8);
    this.#bytes.writeBigInt64BE(value, at);
    return this;
  }

  /** Throws InvalidRequest when the text does not fit. Callers check client input beforehand. */
  text(value: string | null): this {
    if (value === null) return this.i16(-1);
    const length = Buffer.byteLength(value);
    if (length > textBytesMax) throw new InvalidRequest('text', `${length} bytes, at most ${textBytesMax}`);
    this.i16(length);
    const at = this.#grow(length);
    this.#bytes.utf8Write(value, at, length);
    return this;
  }

  data(value: Uint8Array): this {
    this.i32(value.length);
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** A copy of exactly what was written, because it is kept as long as the group lives. */
  end(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.#at));
  }

  /** Returns the write position. May replace the buffer, so call it before using the buffer. */
  #grow(length: number): number {
    const at = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#at, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    return at;
  }
}

/** Reads past the end throw RangeError, which the caller reports as damage. */
export class RecordReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  i16(): number {
    return readI16(this.#bytes, this.#take(2));
  }

  i32(): number {
    return readI32(this.#bytes, this.#take(4));
  }

  i64(): number {
    const at = this.#take(8);
    if (readI32(this.#bytes, at) === 0x7fff_ffff && readI32(this.#bytes, at + 4) === -1) return Infinity;
    return readI64(this.#bytes, at);
  }

  exactI64(): number | bigint {
    const at = this.#take(8);
    const value = readI64(this.#bytes, at);
    return Number.isSafeInteger(value) ? value : this.#bytes.readBigInt64BE(at);
  }

  nullableText(): string | null {
    const length = this.i16();
    if (length < 0) return null;
    const at = this.#take(length);
    return this.#bytes.utf8Slice(at, at + length);
  }

  text(): string {
    return this.nullableText() ?? '';
  }

  /** A copy, since the replayed batch is not ours to keep. */
  data(): Uint8Array {
    const length = Math.max(this.i32(), 0);
    const at = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(at, at + length));
  }

  remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length)
      throw new RangeError(`record ends at ${this.#bytes.length}, not ${at + length}`);
    this.#at += length;
    return at;
  }
}
