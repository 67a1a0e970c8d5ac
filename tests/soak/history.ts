/**
 * Everything that the clients of a soak requested and were told, entry by entry in the order in which it happened. The
 * checker reads nothing else, so a written history can be judged again.
 *
 * A value names its producer and its place in that producer's order. It is kept as one number, because a long run has
 * millions of them.
 */
const indexMax = 2 ** 32;

export function valueOf(producer: number, index: number): number {
  return producer * indexMax + index;
}

export function producerOf(value: number): number {
  return Math.floor(value / indexMax);
}

export function indexOf(value: number): number {
  return value % indexMax;
}

export function valueText(value: number): string {
  return `${producerOf(value)}:${indexOf(value)}`;
}

/** NaN if the text is not a value: the checker then counts it as an invented record. */
export function parseValue(text: string): number {
  const match = /^(\d{1,6}):(\d{1,9})$/.exec(text);
  return match ? valueOf(Number(match[1]), Number(match[2])) : Number.NaN;
}

/**
 * `idempotent` repeats until it knows: each value once and in order. `once` never repeats: each value at most once, the
 * acknowledged ones in order. `plain` repeats without a sequence: duplicates are its own, first appearances are in order.
 */
export type ProducerKind = 'idempotent' | 'once' | 'plain';

export type Entry =
  | { readonly kind: 'producer'; readonly producer: number; readonly as: ProducerKind; readonly door: string }
  | { readonly kind: 'sent'; readonly partition: number; readonly values: readonly number[] }
  /** `base` is the offset of the first value, or -1 when the answer did not say. */
  | { readonly kind: 'acked'; readonly partition: number; readonly base: number; readonly values: readonly number[] }
  /** The answer said that nothing took effect. */
  | { readonly kind: 'refused'; readonly partition: number; readonly values: readonly number[] }
  /** Values of consecutive offsets from `base`. */
  | {
      readonly kind: 'read';
      readonly reader: string;
      readonly partition: number;
      readonly base: number;
      readonly values: readonly number[];
    }
  /** A reader learned that its position does not exist. */
  | { readonly kind: 'out-of-range'; readonly reader: string; readonly what: string }
  /** An observer is about to ask for start and end offsets, or for a group's committed offsets. */
  | { readonly kind: 'asks'; readonly observer: string }
  | {
      readonly kind: 'range';
      readonly observer: string;
      readonly partition: number;
      readonly start: number;
      readonly end: number;
    }
  | { readonly kind: 'commits'; readonly group: string; readonly partition: number; readonly offset: number }
  | { readonly kind: 'committed'; readonly group: string; readonly partition: number; readonly offset: number }
  | {
      readonly kind: 'found';
      readonly observer: string;
      readonly group: string;
      readonly partition: number;
      readonly offset: number;
    }
  /** A member of a group failed, by the name of its error: it restarts by itself, or is restarted. */
  | { readonly kind: 'crashed'; readonly what: string; readonly isFinal: boolean }
  | { readonly kind: 'stuck'; readonly what: string }
  /** A process ended by itself, or reported a broken invariant. */
  | { readonly kind: 'bug'; readonly what: string }
  /** A note for readers of the history. */
  | { readonly kind: 'fault' | 'writable'; readonly what: string };

/** With the time of a clock that never jumps. */
export type TimedEntry = Entry & { readonly atMs: number };

/** Reads everything when all is quiet, and so shows what remains. */
export const finalReader = 'final';

/** Readers that name their position (cursors) skip nothing and reread nothing. Groups may reread. */
export function isExact(reader: string): boolean {
  return !reader.startsWith('group ');
}
