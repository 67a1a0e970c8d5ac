/**
 * Decodes and encodes by walking the schema: slow, short, and written independently of the compiler, so that tests can
 * compare the two.
 */
import { AssertionFailure } from '../kernel/assert.ts';
import { zeroUuid } from '../kernel/uuid.ts';
import { elementsMax, stringBytesMax, taggedFieldsMax } from './limits.ts';
import { MalformedFrame } from './malformed-frame.ts';
import { type Field, type Fields, isNullable, isPresent, type Infer, type Message } from './schema.ts';
import { bytesMinOf, structBytesMin } from './sizes.ts';
import { UnsupportedVersion } from './unsupported-version.ts';

type Struct = Record<string, unknown>;

export function interpretDecode<M extends Message>(schema: M, version: number, frame: Buffer): Infer<M> {
  return new Decoding(frame, version, version >= schema.flexible).struct(schema.fields) as Infer<M>;
}

export function interpretEncode<M extends Message>(schema: M, version: number, message: Infer<M>): Buffer {
  const flexible = version >= schema.flexible;
  return Buffer.concat(new Encoding(version, flexible).struct(schema.fields, message as Struct));
}

class Decoding {
  readonly #frame: Buffer;
  readonly #version: number;
  readonly #flexible: boolean;
  #left = elementsMax;
  #position = 0;

  constructor(frame: Buffer, version: number, flexible: boolean) {
    this.#frame = frame;
    this.#version = version;
    this.#flexible = flexible;
  }

  struct(fields: Fields): Struct {
    const result: Struct = {};
    for (const [name, field] of Object.entries(fields)) {
      const isRead = isPresent(field, this.#version) && field.tag === undefined;
      result[name] = isRead ? this.#field(field) : defaultOf(field);
    }
    if (this.#flexible) this.#tagged(fields, result);
    return result;
  }

  #tagged(fields: Fields, result: Struct): void {
    const count = this.#varint();
    if (count > taggedFieldsMax) throw new MalformedFrame('too many tagged fields');
    for (let i = 0; i < count; i++) {
      const tag = this.#varint();
      const size = this.#varint();
      const end = this.#position + size;
      const known = Object.entries(fields).find(([, field]) => field.tag === tag && isPresent(field, this.#version));
      if (known === undefined) this.#take(size);
      else result[known[0]] = this.#field(known[1]);
      if (this.#position !== end) throw new MalformedFrame('the size of a tagged field is wrong');
    }
  }

  #field(field: Field): unknown {
    switch (field.kind) {
      case 'int8':
        return this.#take(1).readInt8(0);
      case 'bool':
        return this.#take(1)[0] !== 0;
      case 'int16':
        return this.#take(2).readInt16BE(0);
      case 'uint16':
        return this.#take(2).readUInt16BE(0);
      case 'int32':
        return this.#take(4).readInt32BE(0);
      case 'int64':
        return int64Readers[field.beyond](this.#take(8).readBigInt64BE(0));
      case 'float64':
        return this.#take(8).readDoubleBE(0);
      case 'uuid':
        return this.#take(16).toString('latin1');
      case 'struct':
        return isNullable(field, this.#version) && this.#take(1).readInt8(0) < 0 ? null : this.struct(field.fields!);
      default:
        return this.#sized(field);
    }
  }

  #sized(field: Field): unknown {
    const size = this.#size(field);
    if (size < 0) {
      if (size < -1 || !isNullable(field, this.#version)) throw new MalformedFrame('null where none may be');
      return null;
    }
    if (field.kind === 'string') {
      if (size > stringBytesMax) throw new MalformedFrame('text is too long');
      return this.#take(size).toString('utf8');
    }
    if (field.kind === 'runs') return size === 0 ? [] : [this.#take(size)];
    if (field.kind !== 'array') return this.#take(size);
    const bytesMin = field.fields
      ? structBytesMin(field.fields, this.#version, this.#flexible)
      : bytesMinOf(field.element!, this.#version, this.#flexible);
    if (size > this.#left || size * bytesMin > this.#frame.length - this.#position) {
      throw new MalformedFrame('too many elements');
    }
    this.#left -= size;
    return Array.from({ length: size }, () => (field.fields ? this.struct(field.fields) : this.#field(field.element!)));
  }

  #size(field: Field): number {
    if (this.#flexible) return this.#varint() - 1;
    return field.kind === 'string' ? this.#take(2).readInt16BE(0) : this.#take(4).readInt32BE(0);
  }

  #varint(): number {
    let value = 0n;
    for (let i = 0n; i < 5n; i++) {
      const byte = BigInt(this.#take(1)[0]!);
      value |= (byte & 0x7fn) << (7n * i);
      if (byte < 0x80n) return Number(BigInt.asUintN(32, value));
    }
    throw new MalformedFrame('varint is longer than five bytes');
  }

  #take(length: number): Buffer {
    if (length > this.#frame.length - this.#position) throw new MalformedFrame('ends too early');
    this.#position += length;
    return this.#frame.subarray(this.#position - length, this.#position);
  }
}

function safe(value: bigint): number {
  if (value === 0x7fff_ffff_ffff_ffffn) return Infinity;
  if (!Number.isSafeInteger(Number(value))) throw new MalformedFrame(`int64 ${value} is outside the safe integers`);
  return Number(value);
}

function saturated(value: bigint): number {
  if (Number.isSafeInteger(Number(value))) return Number(value);
  return value > 0n ? Infinity : Number.MIN_SAFE_INTEGER;
}

function exact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

const int64Readers = { refused: safe, saturates: saturated, kept: exact };

function defaultOf(field: Field): unknown {
  if (field.default === null) return null;
  if (field.kind === 'array') return [];
  if (field.kind !== 'struct') return field.default;
  return Object.fromEntries(Object.entries(field.fields!).map(([name, each]) => [name, defaultOf(each)]));
}

class Encoding {
  readonly #version: number;
  readonly #flexible: boolean;

  constructor(version: number, flexible: boolean) {
    this.#version = version;
    this.#flexible = flexible;
  }

  struct(fields: Fields, value: Struct): Uint8Array[] {
    const parts: Uint8Array[] = [];
    const tagged: { tag: number; bytes: Buffer }[] = [];
    for (const [name, field] of Object.entries(fields)) {
      if (!isPresent(field, this.#version)) {
        if (!field.ignorable && !isDefault(field, value[name])) throw new UnsupportedVersion(`no ${name}`);
      } else if (field.tag === undefined) parts.push(...this.#field(field, value[name]));
      else if (!isDefault(field, value[name])) {
        tagged.push({ tag: field.tag, bytes: Buffer.concat(this.#field(field, value[name])) });
      }
    }
    if (this.#flexible) {
      parts.push(varint(tagged.length));
      tagged.sort((one, other) => one.tag - other.tag);
      for (const { tag, bytes } of tagged) parts.push(varint(tag), varint(bytes.length), bytes);
    }
    return parts;
  }

  #field(field: Field, value: unknown): Uint8Array[] {
    if (field.kind === 'struct') {
      const nullable = isNullable(field, this.#version);
      if (value === null) return nullable ? [Buffer.of(0xff)] : noNull();
      return [...(nullable ? [Buffer.of(1)] : []), ...this.struct(field.fields!, value as Struct)];
    }
    switch (field.kind) {
      case 'string':
      case 'bytes':
      case 'records':
      case 'runs':
      case 'array':
        return this.#sized(field, value);
      default:
        return [scalar(field, value)];
    }
  }

  #sized(field: Field, value: unknown): Uint8Array[] {
    if (value === null) return isNullable(field, this.#version) ? [this.#size(field, -1)] : noNull();
    if (field.kind === 'array') {
      const elements = value as unknown[];
      const parts = elements.map((each) =>
        field.fields ? this.struct(field.fields, each as Struct) : this.#field(field.element!, each),
      );
      return [this.#size(field, elements.length), ...parts.flat()];
    }
    if (field.kind === 'runs') {
      const bytes = Buffer.concat(value as Uint8Array[]);
      return [this.#size(field, bytes.length), bytes];
    }
    const bytes = field.kind === 'string' ? Buffer.from(value as string) : (value as Uint8Array);
    return [this.#size(field, bytes.length), bytes];
  }

  #size(field: Field, size: number): Buffer {
    if (this.#flexible) return varint(size + 1);
    const out = Buffer.alloc(field.kind === 'string' ? 2 : 4);
    out.writeIntBE(size, 0, out.length);
    return out;
  }
}

function noNull(): never {
  throw new UnsupportedVersion('null is not allowed at this version');
}

function scalar(field: Field, value: unknown): Buffer {
  const out = Buffer.alloc(16);
  switch (field.kind) {
    case 'int8':
      return out.subarray(0, out.writeInt8(value as number));
    case 'bool':
      return out.subarray(0, out.writeInt8(value === true ? 1 : 0));
    case 'int16':
      return out.subarray(0, out.writeInt16BE(value as number));
    case 'uint16':
      return out.subarray(0, out.writeUInt16BE(value as number));
    case 'int32':
      return out.subarray(0, out.writeInt32BE(value as number));
    case 'int64':
      return out.subarray(
        0,
        out.writeBigInt64BE(value === Infinity ? 0x7fff_ffff_ffff_ffffn : BigInt(value as number)),
      );
    case 'float64':
      return out.subarray(0, out.writeDoubleBE(value as number));
    case 'uuid':
      return Buffer.from(value as string, 'latin1');
    default:
      throw new AssertionFailure(`${field.kind} is no scalar`);
  }
}

function varint(value: number): Buffer {
  const out: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) out.push((value % 128) + 128);
  return Buffer.from([...out, value]);
}

function isDefault(field: Field, value: unknown): boolean {
  if (field.default === null || value === null) return value === field.default;
  switch (field.kind) {
    case 'string':
      return value === field.default;
    case 'uuid':
      return value === zeroUuid;
    case 'bytes':
    case 'records':
    case 'runs':
    case 'array':
      return (value as ArrayLike<unknown>).length === 0;
    case 'struct':
      return Object.entries(field.fields!).every(([name, each]) => isDefault(each, (value as Struct)[name]));
    default:
      return value === field.default;
  }
}
