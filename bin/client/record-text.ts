/** Records in the doors' JSON form, as text for people. Pure. */
import { printable, time } from './table.ts';

export interface RecordShown {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: unknown;
  readonly value: unknown;
}

/** One line: the value. With `meta`, the record's place, time and key precede it. */
export function recordText(record: RecordShown, meta: boolean): string {
  const value = fieldText(record.value);
  if (!meta) return `${value}\n`;
  const key = printable(fieldText(record.key));
  return `${record.partition}:${record.offset}\t${time(record.timestamp)}\t${key}\t${value}\n`;
}

/** Text unchanged; bytes that are not text as base64; JSON as JSON; no value as nothing. */
export function fieldText(field: unknown): string {
  if (field === null || field === undefined) return '';
  if (typeof field === 'string') return field;
  if (typeof field === 'object' && !Array.isArray(field)) {
    const { $text, $b64, $json } = field as { $text?: unknown; $b64?: unknown; $json?: unknown };
    if (typeof $text === 'string') return $text;
    if (typeof $b64 === 'string') return `base64:${$b64}`;
    if ($json !== undefined) return JSON.stringify($json);
  }
  return JSON.stringify(field);
}
