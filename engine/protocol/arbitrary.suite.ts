/** Random messages for property tests: any value that a version can carry, generated from the schema. */
import fc from 'fast-check';
import { zeroUuid } from '../kernel/uuid.ts';
import { type Field, type Fields, type Infer, isNullable, isPresent, type Message } from './schema.ts';

/** Fields that the version lacks hold their defaults, so that decode(encode(x)) is x. */
export function messageArbitrary<M extends Message>(schema: M, version: number): fc.Arbitrary<Infer<M>> {
  return struct(schema.fields, version) as fc.Arbitrary<Infer<M>>;
}

function struct(fields: Fields, version: number): fc.Arbitrary<unknown> {
  const entries = Object.entries(fields).map(([name, field]): [string, fc.Arbitrary<unknown>] => [
    name,
    isPresent(field, version) ? present(field, version) : fc.constant(null).map(() => defaultOf(field)),
  ]);
  return fc.record(Object.fromEntries(entries), { noNullPrototype: true });
}

function present(field: Field, version: number): fc.Arbitrary<unknown> {
  // Often equal to the default, so that tagged fields are left out.
  const value = fc.oneof(
    { weight: 4, arbitrary: valueOf(field, version) },
    { weight: 1, arbitrary: fc.constant(null).map(() => defaultOf(field)) },
  );
  const isNullDefault = field.default === null && !isNullable(field, version);
  if (isNullDefault) return valueOf(field, version);
  return isNullable(field, version) ? fc.option(value, { freq: 4 }) : value;
}

const bigints = [2n ** 53n, -(2n ** 53n), 2n ** 62n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];

function valueOf(field: Field, version: number): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case 'int8':
      return fc.integer({ min: -0x80, max: 0x7f });
    case 'int16':
      return fc.integer({ min: -0x8000, max: 0x7fff });
    case 'uint16':
      return fc.integer({ min: 0, max: 0xffff });
    case 'int32':
      return fc.integer();
    case 'int64':
      return fc.oneof(
        fc.maxSafeInteger(),
        fc.constantFrom(-1, 0, 2 ** 31, 2 ** 32, -(2 ** 32)),
        field.beyond === 'kept' ? fc.constantFrom(...bigints) : fc.constant(Infinity),
      );
    case 'float64':
      // Apache Kafka treats a tagged -0 as the default 0 and leaves it out; so do we.
      return fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value));
    case 'bool':
      return fc.boolean();
    case 'uuid':
      return fc.oneof(fc.constant(zeroUuid), fc.uint8Array({ minLength: 16, maxLength: 16 }).map(latin1));
    case 'string':
      return fc.oneof(
        fc.string({ maxLength: 12, unit: 'grapheme' }),
        fc.constantFrom('', 'orders', 'é'.repeat(100), 'x'.repeat(300), '日'.repeat(9)),
      );
    case 'bytes':
    case 'records':
      return fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(0, 127, 256, 257).map(filled)).map(view);
    case 'runs':
      // A list of several pieces is decoded as one piece, so only lists of no piece or one piece come back unchanged.
      return fc.oneof(
        fc.constant([]),
        fc.uint8Array({ minLength: 1, maxLength: 600 }).map((run) => [view(run)]),
      );
    case 'struct':
      return struct(field.fields!, version);
    case 'array': {
      const element = field.fields ? struct(field.fields, version) : valueOf(field.element!, version);
      return fc.oneof(
        { weight: 9, arbitrary: fc.array(element, { maxLength: 3 }) },
        {
          weight: 1,
          arbitrary: field.fields
            ? fc.array(element, { maxLength: 3 })
            : fc.array(element, { minLength: 130, maxLength: 140 }),
        },
      );
    }
  }
}

function defaultOf(field: Field): unknown {
  if (field.default === null) return null;
  if (field.kind === 'array') return [];
  if (field.kind !== 'struct') return field.default;
  return Object.fromEntries(Object.entries(field.fields!).map(([name, each]) => [name, defaultOf(each)]));
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const filled = (length: number): Uint8Array => new Uint8Array(length).fill(length & 0xff);
const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
