/**
 * The plain shape of a produce body, {"records":[{"key":"text","value":<any JSON>}, …]}, read in one pass over its bytes.
 * Keys and values are views of the body, and no value becomes an object only to be written as text again. A value is stored
 * as the JSON text that was sent, so numbers keep digits that a double would lose.
 *
 * The whole body is checked against the grammar (json-scan.ts). Whatever is not plain is left to the parser and its exact
 * errors (record-json.ts): other members, members named twice, keys with escapes, the $ wrappers, deep nesting, and
 * everything malformed.
 */
import { isUtf8 } from 'node:buffer';
import { beginScan, blanksEnd, endScan, isPlainByte, mayBeWrapper, valueEnd, wordEnd } from './json-scan.ts';
import type { ProduceRecord } from './produce.ts';

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const recordsName = Buffer.from('"records"');
const valueName = Buffer.from('"value"');
const keyName = Buffer.from('"key"');
const nullWord = Buffer.from('null');

// State of the current scan, which ends before any other code runs: as locals, it would be passed through every function.
const noBytes = new Uint8Array(0);
let bytes: Uint8Array = noBytes;
let at = 0;

/** At least one record and at most `recordsMax`, as views of `body`; undefined for a body that is not plain. */
export function scanRecords(body: Uint8Array, recordsMax: number): ProduceRecord[] | undefined {
  if (!isUtf8(body)) return undefined;
  bytes = body;
  at = 0;
  beginScan(body);
  const records = scanBody(recordsMax);
  endScan();
  bytes = noBytes;
  return records;
}

function scanBody(recordsMax: number): ProduceRecord[] | undefined {
  if (!token(openBrace) || !text(recordsName) || !token(colon) || !token(openBracket)) return undefined;
  const records: ProduceRecord[] = [];
  do {
    const record = scanRecord();
    if (!record || records.length === recordsMax) return undefined;
    records.push(record);
  } while (token(comma));
  if (!token(closeBracket) || !token(closeBrace)) return undefined;
  skipBlanks();
  return at === bytes.length ? records : undefined;
}

function scanRecord(): ProduceRecord | undefined {
  if (!token(openBrace)) return undefined;
  let key: Uint8Array | null | undefined;
  let value: Uint8Array | null | undefined;
  do {
    if (value === undefined && text(valueName)) {
      if (!token(colon)) return undefined;
      skipBlanks();
      const from = at;
      if (bytes[from] === openBrace && mayBeWrapper(from)) return undefined;
      if (!passTo(valueEnd(from))) return undefined;
      value = at - from === 4 && bytes[from] === 0x6e ? null : bytes.subarray(from, at);
    } else if (key === undefined && text(keyName)) {
      if (!token(colon)) return undefined;
      key = scanKey();
      if (key === undefined) return undefined;
    } else return undefined;
  } while (token(comma));
  return token(closeBrace) ? { key: key ?? null, value: value ?? null } : undefined;
}

/** Text without escapes, or null. */
function scanKey(): Uint8Array | null | undefined {
  skipBlanks();
  if (bytes[at] !== quote) return passTo(wordEnd(at, nullWord)) ? null : undefined;
  const from = ++at;
  while (isPlainByte[bytes[at]!] === 1) at++;
  return bytes[at] === quote ? bytes.subarray(from, at++) : undefined;
}

function skipBlanks(): void {
  at = blanksEnd(at);
}

/** False for an unterminated text: nothing is passed. */
function passTo(end: number): boolean {
  if (end < 0) return false;
  at = end;
  return true;
}

/** Passes `byte` when it comes next; otherwise passes only blanks. */
function token(byte: number): boolean {
  skipBlanks();
  if (bytes[at] !== byte) return false;
  at++;
  return true;
}

function text(wanted: Buffer): boolean {
  skipBlanks();
  return passTo(wordEnd(at, wanted));
}
