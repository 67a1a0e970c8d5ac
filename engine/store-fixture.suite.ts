/** What the cases of the store's suite share: a clock they can move, and short names for operations and rows. */
import { expect } from 'vitest';
import { type Clock, systemClock, type Timer } from './kernel/clock.ts';
import { type MetadataStore, type Row, type RowCondition, type RowKey, StoreConflict, type StoreOp } from './ports.ts';

export interface StoreUnderTest {
  readonly store: MetadataStore;
  /** Another process's view of the same rows. */
  connect(): Promise<MetadataStore>;
  /** Closes everything and removes what is on disk. */
  dispose(): Promise<void>;
}

/** The system's clock, which can be moved forward; timers run in real time. */
export class MovableClock implements Clock {
  #offsetMs = 0;
  advance(ms: number): void {
    this.#offsetMs += ms;
  }
  wallMs(): number {
    return systemClock.wallMs() + this.#offsetMs;
  }
  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#offsetMs;
  }
  after(delayMs: number, fn: () => void, background?: 'background'): Timer {
    return systemClock.after(delayMs, fn, background);
  }
  endOfTurn(fn: () => void): void {
    systemClock.endOfTurn(fn);
  }
}

export const put = (sk: string, value = '{}', condition?: RowCondition, pk = 'P'): StoreOp => ({
  op: 'put',
  key: { pk, sk },
  value,
  ...(condition && { if: condition }),
});
export const remove = (sk: string, condition?: RowCondition, pk = 'P'): StoreOp => ({
  op: 'delete',
  key: { pk, sk },
  ...(condition && { if: condition }),
});
export const check = (sk: string, condition: RowCondition, pk = 'P'): StoreOp => ({
  op: 'check',
  key: { pk, sk },
  if: condition,
});
export const at = (sk: string, pk = 'P'): RowKey => ({ pk, sk });

/** Rows of `pk` over all pages. */
export async function allRows(store: MetadataStore, pk: string, options: object = {}): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.range(pk, { ...options, ...(cursor !== undefined && { cursor }) });
    rows.push(...page.rows);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return rows;
}

export const sks = (rows: readonly Row[]): string[] => rows.map((row) => row.sk);

export async function conflictOf(promise: Promise<unknown>): Promise<StoreConflict> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(StoreConflict);
  return error as StoreConflict;
}

export type Env = { store: MetadataStore; clock: MovableClock; connect: () => Promise<MetadataStore> };
export type Run = (name: string, body: (env: Env) => Promise<void>) => void;
