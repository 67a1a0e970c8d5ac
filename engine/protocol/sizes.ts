/** Sizes on the wire that follow from the schema alone. */
import { type Field, type Fields, isNullable, isPresent, type Kind } from './schema.ts';

const widths: Partial<Record<Kind, number>> = {
  int8: 1,
  bool: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
};

/** Bytes of a kind with a fixed width, else undefined. */
export function widthOf(kind: Kind): number | undefined {
  return widths[kind];
}

/** Every encoding of the field in this version is at least this long, so a count above the remaining bytes / this is a lie. */
export function bytesMinOf(field: Field, version: number, flexible: boolean): number {
  switch (field.kind) {
    case 'string':
      return flexible ? 1 : 2;
    case 'bytes':
    case 'records':
    case 'runs':
    case 'array':
      return flexible ? 1 : 4;
    case 'struct':
      return isNullable(field, version) ? 1 : structBytesMin(field.fields!, version, flexible);
    default:
      return widths[field.kind]!;
  }
}

export function structBytesMin(fields: Fields, version: number, flexible: boolean): number {
  let sum = flexible ? 1 : 0;
  for (const field of Object.values(fields)) {
    if (field.tag === undefined && isPresent(field, version)) sum += bytesMinOf(field, version, flexible);
  }
  return sum;
}
