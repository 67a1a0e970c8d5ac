/**
 * Long lists in pages. A cursor holds the sort key of the last item returned, so that creating or deleting items between
 * two pages neither repeats nor hides another item.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';

export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface Page<T> {
  readonly items: T[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

/** Sort keys are strings and numbers compared from left to right. */
export type SortKey = readonly (string | number)[];

export interface Order<S> {
  /** What the parts of a key are. Known also for a list without items, so that its cursors are checked as well. */
  readonly parts: readonly ('string' | 'number')[];
  keyOf(item: S): SortKey;
}

/** `items` come in the order of their keys. Throws InvalidRequest (field cursor). */
export function pageOf<S, T>(items: Iterable<S>, order: Order<S>, show: (item: S) => T, query: PageQuery): Page<T> {
  const after = query.cursor === undefined ? undefined : decode(query.cursor, order.parts);
  const shown: T[] = [];
  let last: SortKey | undefined;
  for (const item of items) {
    const key = order.keyOf(item);
    if (after && compare(key, after) <= 0) continue;
    if (shown.length === query.limit) return { items: shown, nextCursor: encode(last!) };
    shown.push(show(item));
    last = key;
  }
  return { items: shown };
}

/** Both keys have the parts of one order. */
function compare(a: SortKey, b: SortKey): number {
  for (const [i, left] of a.entries()) {
    const right = b[i]!;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

function encode(key: SortKey): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** Only what `encode` writes: base64 and JSON both have many spellings of one value. */
function decode(text: string, parts: Order<never>['parts']): SortKey {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw invalid();
  }
  if (!isKey(value, parts) || encode(value) !== text) throw invalid();
  return value;
}

function isKey(value: unknown, parts: Order<never>['parts']): value is SortKey {
  return Array.isArray(value) && value.length === parts.length && parts.every((part, i) => typeof value[i] === part);
}

function invalid(): InvalidRequest {
  return new InvalidRequest(
    'cursor',
    'the cursor does not belong to this list: pass nextCursor exactly as it was returned',
  );
}
