/**
 * The plain shape of a produce body, {"records":[{"key":"text","value":<any JSON>}, …]}, of one such record as a line, and of a
 * WebSocket's produce command, which has op, id and topic beside the records, read in one pass over its bytes. Keys and values are views of the body, and
 * no value becomes an object only to be written as text again. A value is stored as the JSON text that was sent, so numbers
 * keep digits that a double would lose.
 *
 * The whole body is checked against the grammar (json-scan.ts). Whatever is not plain is left to the parser and its exact
 * errors (record-json.ts, commands.ts): other members, members named twice, texts with escapes outside values, the $ wrappers,
 * deep nesting, and everything malformed.
 */
import { isUtf8 } from 'node:buffer';
import {
  alignedView,
  beginScan,
  blanksEnd,
  endScan,
  isPlainByte,
  mayBeWrapper,
  valueEnd,
  wordEnd,
} from './json-scan.ts';
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
const opName = Buffer.from('"op"');
const produceWord = Buffer.from('"produce"');
const idName = Buffer.from('"id"');
const topicName = Buffer.from('"topic"');

/** Fewer than the digits that a double may lose. */
const idDigitsMax = 15;
/** As many bytes as an id may have characters (commands.ts). */
const idBytesMax = 64;

export interface PlainProduce {
  readonly id: string | number | undefined;
  readonly topic: string;
  readonly records: readonly ProduceRecord[];
}

// State of the current scan, which ends before any other code runs: as locals, it would be passed through every function.
const noBytes = new Uint8Array(0);
let bytes: Uint8Array = noBytes;
let at = 0;

/** At least one record and at most `recordsMax`, as views of `body`; undefined for a body that is not plain. */
export function scanRecords(body: Uint8Array, recordsMax: number): ProduceRecord[] | undefined {
  return scan(body, () => scanBody(recordsMax));
}

/** Likewise for one record, a line of NDJSON. */
export function scanLine(line: Uint8Array): ProduceRecord | undefined {
  return scan(line, scanRecord);
}

/** Likewise for a produce command; undefined for any other command. */
export function scanProduce(message: Uint8Array, recordsMax: number): PlainProduce | undefined {
  return scan(message, () => scanCommand(recordsMax));
}

function scan<T>(body: Uint8Array, shape: () => T | undefined): T | undefined {
  if (!isUtf8(body)) return undefined;
  // A line begins anywhere in what was received.
  bytes = alignedView(body);
  at = bytes.length - body.length;
  beginScan(bytes);
  const found = shape();
  skipBlanks();
  const isWhole = at === bytes.length;
  endScan();
  bytes = noBytes;
  return isWhole ? found : undefined;
}

function scanBody(recordsMax: number): ProduceRecord[] | undefined {
  if (!token(openBrace) || !name(recordsName)) return undefined;
  const records = scanList(recordsMax);
  return records && token(closeBrace) ? records : undefined;
}

function scanCommand(recordsMax: number): PlainProduce | undefined {
  if (!token(openBrace)) return undefined;
  let isProduce = false;
  let id: string | number | undefined;
  let topic: string | undefined;
  let records: ProduceRecord[] | undefined;
  do {
    if (!isProduce && name(opName)) {
      if (!(isProduce = text(produceWord))) return undefined;
    } else if (id === undefined && name(idName)) {
      if ((id = scanId()) === undefined) return undefined;
    } else if (topic === undefined && name(topicName)) {
      if ((topic = scanText()) === undefined) return undefined;
    } else if (records === undefined && name(recordsName)) {
      if ((records = scanList(recordsMax)) === undefined) return undefined;
    } else return undefined;
  } while (token(comma));
  if (!token(closeBrace) || !isProduce || topic === undefined || records === undefined) return undefined;
  return { id, topic, records };
}

/** A whole number without sign, or a text. */
function scanId(): string | number | undefined {
  skipBlanks();
  if (bytes[at] === quote) {
    const found = scanText();
    return found === undefined || found.length > idBytesMax ? undefined : found;
  }
  const from = at;
  let number = 0;
  for (let byte = bytes[at]!; byte >= 0x30 && byte <= 0x39; byte = bytes[++at]!) number = number * 10 + byte - 0x30;
  const digits = at - from;
  return digits === 0 || digits > idDigitsMax || (digits > 1 && bytes[from] === 0x30) ? undefined : number;
}

function scanText(): string | undefined {
  const found = scanKey();
  return found ? Buffer.from(found.buffer, found.byteOffset, found.length).utf8Slice(0, found.length) : undefined;
}

function scanList(recordsMax: number): ProduceRecord[] | undefined {
  if (!token(openBracket)) return undefined;
  const records: ProduceRecord[] = [];
  do {
    const record = scanRecord();
    if (!record || records.length === recordsMax) return undefined;
    records.push(record);
  } while (token(comma));
  return token(closeBracket) ? records : undefined;
}

function scanRecord(): ProduceRecord | undefined {
  if (!token(openBrace)) return undefined;
  let key: Uint8Array | null | undefined;
  let value: Uint8Array | null | undefined;
  do {
    if (value === undefined && name(valueName)) {
      skipBlanks();
      const from = at;
      if (bytes[from] === openBrace && mayBeWrapper(from)) return undefined;
      if (!passTo(valueEnd(from))) return undefined;
      value = at - from === 4 && bytes[from] === 0x6e ? null : bytes.subarray(from, at);
    } else if (key === undefined && name(keyName)) {
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

/** A member's name with its colon. False: nothing but blanks is passed. */
function name(wanted: Buffer): boolean {
  skipBlanks();
  const from = at;
  if (text(wanted) && token(colon)) return true;
  at = from;
  return false;
}
