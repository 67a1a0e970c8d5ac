/**
 * An answer without what may differ between any two Kafka clusters: made-up values are called by the step that got them,
 * places and texts are blanked, lists are in one order. What is done to which field follows from the field's entity in
 * the schemas (engine/protocol/schema.ts), so that it holds for every API and version. What is specific to an API is in
 * differences.ts.
 */
import { type ApiKey, apiByKey } from '../../engine/protocol/apis.ts';
import { type Field, type Fields, isPresent } from '../../engine/protocol/schema.ts';
import {
  attributeBit,
  batchHeaderBytes,
  batchPrefixBytes,
  batchSizeBytes,
  readBatchHeader,
} from '../../engine/records/batch.ts';
import { prefixMark } from './steps.ts';

export interface Names {
  readonly prefix: string;
  readonly names: ReadonlyMap<string, string>;
  /** A time from here on was not drawn: it is that of an append. */
  readonly appendMsMin: number;
}

export type Normal = { [name: string]: Plain };
export type Plain = string | number | boolean | null | Plain[] | Normal;

const blanked = new Set(['address', 'clusterId', 'path', 'rack', 'principal']);

export function normalise(names: Names, key: ApiKey, version: number, body: unknown): Normal {
  return struct(names, apiByKey.get(key)!.response.fields, version, body as Readonly<Record<string, unknown>>);
}

function struct(names: Names, fields: Fields, version: number, body: Readonly<Record<string, unknown>>): Normal {
  const normal: Normal = {};
  for (const [name, field] of Object.entries(fields)) {
    if (!isPresent(field, version) || body[name] === undefined) continue;
    normal[name] = value(names, name, field, version, body[name]);
  }
  return normal;
}

function value(names: Names, name: string, field: Field, version: number, given: unknown): Plain {
  if (given === null) return field.entity === 'errorText' || name === 'documentation' ? '' : null;
  if (field.kind === 'runs' || field.kind === 'records') return batches(names, given as Uint8Array[]);
  if (field.kind === 'bytes')
    return Buffer.from(given as Uint8Array)
      .toString('latin1')
      .replaceAll(names.prefix, prefixMark);
  if (field.kind === 'struct') return struct(names, field.fields!, version, given as Record<string, unknown>);
  if (field.kind === 'array') return list(names, name, field, version, given as unknown[]);
  if (field.entity === 'node') return (given as number) < 0 ? -1 : '<node>';
  if (field.entity !== undefined && blanked.has(field.entity)) return `<${field.entity}>`;
  if (field.entity === 'errorText' || name === 'documentation') return '';
  if (name === 'port') return '<port>';
  if (name === 'throttleTimeMs') return 0;
  if (name === 'logAppendTimeMs') return (given as number) < 0 ? -1 : '<time>';
  if (name === 'timestamp' && (given as number) >= names.appendMsMin) return '<time>';
  if (name === 'sessionId') return names.names.get(`session ${given}`) ?? (given as number);
  if (field.entity === 'producerId') return names.names.get(`producer ${given}`) ?? (given as number);
  if (field.kind === 'uuid') return names.names.get(`topic ${given}`) ?? (given as string);
  if (typeof given === 'string') {
    return names.names.get(`member ${given}`) ?? given.replaceAll(names.prefix, prefixMark);
  }
  if (typeof given === 'bigint') return String(given);
  return given as Plain;
}

/** Apache Kafka keeps much in hash tables, so the order of lists has no meaning. */
function list(names: Names, name: string, field: Field, version: number, given: unknown[]): Plain {
  const items = given.map((each) =>
    field.fields
      ? struct(names, field.fields, version, each as Record<string, unknown>)
      : value(names, name, field.element!, version, each),
  );
  const distinct =
    field.element?.entity === 'node' || name === 'brokers'
      ? [...new Map(items.map((item) => [JSON.stringify(item), item])).values()]
      : items;
  return distinct
    .map((item) => [JSON.stringify(item), item] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, item]) => item);
}

/**
 * Batches by their fields, because the checksum covers the producer's id. A batch that was cut at the end is left out:
 * Kafka answers so many bytes of its file as the limit allows, and readers drop the piece.
 */
function batches({ names }: Names, runs: readonly Uint8Array[]): Plain {
  const bytes = Buffer.concat(runs);
  const found: Plain[] = [];
  for (let at = 0; at + batchHeaderBytes <= bytes.length; ) {
    const end = at + batchSizeBytes(bytes, at);
    if (end > bytes.length || end < at + batchHeaderBytes) break;
    const header = readBatchHeader(bytes, at);
    found.push({
      ...(header as unknown as Normal),
      crc: 0,
      ...(header.attributes & attributeBit.logAppendTime ? { maxTimestamp: '<time>' } : {}),
      producerId: names.get(`producer ${header.producerId}`) ?? header.producerId,
      records: bytes.subarray(at + batchHeaderBytes, end).toString('latin1'),
    });
    at = Math.max(end, at + batchPrefixBytes);
  }
  return found;
}

/** Paths at which the two differ, with both values. */
export function differ(kafka: Plain, headgate: Plain, path = ''): string[] {
  if (kafka === headgate) return [];
  const isBoth = (is: (value: Plain) => boolean): boolean => is(kafka) && is(headgate);
  if (isBoth(Array.isArray)) {
    const [a, b] = [kafka as Plain[], headgate as Plain[]];
    if (a.length !== b.length) return [`${path}: kafka has ${a.length} ${text(a)}, headgate ${b.length} ${text(b)}`];
    return a.flatMap((each, i) => differ(each, b[i]!, `${path}[${i}]`));
  }
  if (isBoth((value) => typeof value === 'object' && value !== null && !Array.isArray(value))) {
    const [a, b] = [kafka as Normal, headgate as Normal];
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...keys].flatMap((key) => differ(a[key] ?? null, b[key] ?? null, path === '' ? key : `${path}.${key}`));
  }
  return [`${path}: kafka ${text(kafka)}, headgate ${text(headgate)}`];
}

const textCharsMax = 600;

function text(plain: Plain): string {
  return JSON.stringify(plain).slice(0, textCharsMax);
}
