/**
 * Reads the JSON of a row back into typed fields. A row whose checksum does not hold, or that does not parse, is damaged
 * or comes from another version of the program. Either way it is an expected failure that names the row's key, never a
 * half-filled value. A single changed bit is mended on the way (store-row-checksum.ts).
 */
import { Failure } from './kernel/failure.ts';
import type { Row } from './ports.ts';
import { soundText } from './store-row-checksum.ts';

export type StoredText = Pick<Row, 'pk' | 'sk' | 'value'>;

export class RowCorrupt extends Failure {
  readonly code = 'data-corrupt';
  readonly pk: string;
  readonly sk: string;
  constructor(row: StoredText, what: string) {
    super(`row ${row.pk} ${row.sk}: ${what}`);
    this.pk = row.pk;
    this.sk = row.sk;
  }
}

/** Undefined for a damaged row: where many rows are read, one of them must not keep the others from being read. */
export function unlessDamaged<R extends StoredText, T>(row: R, decode: (row: R) => T): T | undefined {
  try {
    return decode(row);
  } catch (error) {
    if (error instanceof RowCorrupt) return undefined;
    throw error;
  }
}

export interface RowFields {
  /** Whether the row has the field at all. Rows written before the field existed do not. */
  has(name: string): boolean;
  text(name: string): string;
  /** A whole number of at least 0 that a double holds exactly. */
  whole(name: string): number;
  flag(name: string): boolean;
  /** An array whose members are all whole numbers of at least -1 (an absent owner). */
  wholes(name: string): number[];
  wholeLists(name: string): number[][];
  texts(name: string): string[];
  /** An object whose members are all texts. */
  textMap(name: string): Record<string, string>;
  /** An object whose members are all numbers of at least 0. */
  numberMap(name: string): Record<string, number>;
}

/** Throws RowCorrupt; so do the methods of the result. */
export function rowFields(row: StoredText): RowFields {
  const fields = rowObject(row);
  const read = <T>(name: string, is: (value: unknown) => value is T): T => {
    const value = fields[name];
    if (!is(value)) throw new RowCorrupt(row, `field ${name} is missing or of the wrong type`);
    return value;
  };
  return {
    has: (name) => Object.hasOwn(fields, name),
    text: (name) => read(name, isText),
    whole: (name) => read(name, isWhole),
    flag: (name) => read(name, isFlag),
    wholes: (name) => read(name, isWholes),
    wholeLists: (name) => read(name, isWholeLists),
    texts: (name) => read(name, isTexts),
    textMap: (name) => read(name, isTextMap),
    numberMap: (name) => read(name, isNumberMap),
  };
}

/** The fields as they are, without the checksum, for rows that are read by the thousand. Throws RowCorrupt. */
export function rowObject(row: StoredText): Record<string, unknown> {
  const text = soundText(row.value);
  if (text === undefined) throw new RowCorrupt(row, 'damaged, and more of it than one bit');
  const value = parsed(text);
  if (!isObject(value)) throw new RowCorrupt(row, 'not an object');
  const { crc: _, ...fields } = value;
  return fields;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** A whole number of at least 0 that a double holds exactly. */
export function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isFlag(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

function isWholes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((member) => Number.isSafeInteger(member) && (member as number) >= -1);
}

function isWholeLists(value: unknown): value is number[][] {
  return Array.isArray(value) && value.every(isWholes);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isTextMap(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every(isText);
}

function isNumberMap(value: unknown): value is Record<string, number> {
  return isObject(value) && Object.values(value).every((member) => typeof member === 'number' && member >= 0);
}
