/**
 * Checks that all drivers of the metadata store share, so that a request cannot pass in one and fail in another: the limits
 * of a transaction (DynamoDB's TransactWriteItems), the meaning of a condition, the order of sort keys, and the page size.
 */
import { assert } from './kernel/assert.ts';
import {
  type RangeOptions,
  type Row,
  type RowCondition,
  type RowKey,
  StoreLimit,
  type StoreOp,
  storeKeyBytesMax,
  storeOpsMax,
  storeTransactionBytesMax,
  storeValueBytesMax,
} from './ports.ts';

/** A page of `range` ends at whichever limit comes first; DynamoDB's Query returns at most 1 MB. */
export const storePageRowsMax = 1000;
export const storePageBytesMax = 1024 * 1024;

/** Throws StoreLimit when a transaction is over a documented limit. Does not read the store. */
export function checkLimits(ops: readonly StoreOp[], token: string | undefined): void {
  if (ops.length > storeOpsMax) throw new StoreLimit(`${ops.length} operations, at most ${storeOpsMax}`);
  if (token !== undefined) checkLength('token', token);
  const keys = new Set<string>();
  let bytes = 0;
  for (const op of ops) {
    bytes += checkKey(op.key);
    const identity = keyIdentity(op.key);
    if (keys.has(identity)) throw new StoreLimit(`two operations on ${op.key.pk} ${op.key.sk}`);
    keys.add(identity);
    if (op.op === 'put') bytes += checkValue(op.value);
  }
  if (bytes > storeTransactionBytesMax) {
    throw new StoreLimit(`transaction of ${bytes} bytes, at most ${storeTransactionBytesMax}`);
  }
}

/** Returns the key's size in bytes. Throws StoreLimit when a part is empty or too long. */
export function checkKey(key: RowKey): number {
  return checkLength('pk', key.pk) + checkLength('sk', key.sk);
}

/** Whether `row` (undefined: none was found) satisfies `condition`. No condition is always satisfied. */
export function holds(condition: RowCondition | undefined, row: Row | undefined): boolean {
  if (condition === undefined) return true;
  if ('absent' in condition) return row === undefined;
  if ('exists' in condition) return row !== undefined;
  return row?.version === condition.version;
}

/** Different keys give different texts: the length of pk keeps ('a', 'bc') and ('ab', 'c') apart. */
export function keyIdentity(key: RowKey): string {
  return `${key.pk.length}:${key.pk}${key.sk}`;
}

/** How many rows `options` allow in one page. */
export function pageRows(options: RangeOptions): number {
  const limit = options.limit ?? storePageRowsMax;
  assert(Number.isInteger(limit) && limit > 0, 'the limit of a range is a positive whole number');
  return Math.min(limit, storePageRowsMax);
}

/**
 * Compares the UTF-8 bytes of two strings without encoding them. UTF-16 units give the same order with one exception: a
 * surrogate (U+10000 and above, four bytes of UTF-8) belongs after U+E000..U+FFFF (three bytes).
 */
export function compareBytewise(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function checkLength(what: string, text: string): number {
  // A lone surrogate has no UTF-8 form, so two different keys would silently become one.
  assert(!/\p{Surrogate}/u.test(text), `${what} is well-formed Unicode`);
  const bytes = Buffer.byteLength(text);
  if (bytes === 0) throw new StoreLimit(`${what} is empty`);
  if (bytes > storeKeyBytesMax) throw new StoreLimit(`${what} of ${bytes} bytes, at most ${storeKeyBytesMax}`);
  return bytes;
}

function checkValue(value: string): number {
  const bytes = Buffer.byteLength(value);
  if (bytes > storeValueBytesMax) throw new StoreLimit(`value of ${bytes} bytes, at most ${storeValueBytesMax}`);
  return bytes;
}
