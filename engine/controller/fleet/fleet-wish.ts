/**
 * What the fleet should be, as every process sees it: how many brokers, which zones are to be left empty
 * (rows/fleet.ts), the wishes for single brokers (rows/broker-wish.ts), and what the controller that keeps the fleet
 * reports about all of that (rows/fleet-report.ts). Any process may write a wish. The controller that keeps the fleet
 * carries it out, and the next one continues. The others follow the rows, so none of them places a topic where it
 * should not go.
 */
import type { BrokerEntry } from '../../engine.ts';
import { sleep } from '../../kernel/clock.ts';
import { Failure } from '../../kernel/failure.ts';
import { type Row, type RowKey, StoreConflict, type StoreOp, storeOpsMax } from '../../ports.ts';
import { unlessDamaged } from '../../store-row-json.ts';
import { type Persistence, rangeSurely, transactSurely } from '../../store-surely.ts';
import {
  type BrokerWish,
  brokerWishKey,
  decodeBrokerWish,
  encodeBrokerWish,
  wishedBroker,
} from '../rows/broker-wish.ts';
import { decodeFleet, encodeFleet, fleetKey, type FleetRow } from '../rows/fleet.ts';
import { decodeFleetReport, encodeFleetReport, type FleetReport, fleetReportKey } from '../rows/fleet-report.ts';

const conflictPauseMs = 20;
const noWish: BrokerWish = { act: 'none', afterEpoch: 0, isDone: true, left: 0 };
/** Wishes written in one transaction, besides the fleet's own row. */
const wishesMax = storeOpsMax - 1;

/** A wish as it was last read or written. */
export interface NotedWish {
  readonly wish: BrokerWish;
  readonly version: number;
}

/** Another controller keeps the fleet by now, and decides. */
export class GuardRefused extends Failure {
  readonly code = 'not-owner';
  override readonly retryable = true;
}

export class FleetWish {
  readonly #persistence: Persistence;
  readonly #versions = new Map<string, number>();
  readonly #ofBrokers = new Map<number, NotedWish>();
  readonly #listeners = new Set<() => void>();
  /** The lowest broker id that is to be restarted: broker-work.ts begins with it. */
  #restartsNext: number | undefined;
  #row: FleetRow;
  #isDamaged = false;
  #report: FleetReport | undefined;

  /** `first` applies until somebody has written the row. */
  constructor(persistence: Persistence, first: FleetRow) {
    this.#persistence = persistence;
    this.#row = first;
  }

  get row(): FleetRow {
    return this.#row;
  }

  /** Version of `row`; 0 until somebody has written it. */
  get version(): number {
    return this.#versions.get(fleetKey.sk) ?? 0;
  }

  /** Whether the stored row cannot be read, so that only `row` says what is wanted. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** Undefined until a controller has kept the fleet. */
  get report(): FleetReport | undefined {
    return this.#report;
  }

  ofBroker(brokerId: number): NotedWish | undefined {
    return this.#ofBrokers.get(brokerId);
  }

  isWanted(brokerId: number): boolean {
    return brokerId <= this.#row.brokers;
  }

  isEvacuated(zone: string): boolean {
    return this.#row.evacuated.includes(zone);
  }

  /**
   * Whether the broker gets no more partitions: it is to be left empty, or it is its turn to be emptied for a restart.
   * A broker that waits for its turn still takes what the others give. If all brokers are to be restarted and none took
   * partitions, the first would have nowhere to move its own, its clients would wait for its stop and start, and no
   * topic could be placed.
   */
  isDraining(brokerId: number): boolean {
    return brokerId === this.#restartsNext || this.#ofBrokers.get(brokerId)?.wish.act === 'drain';
  }

  /**
   * The condition for a write that gives partitions to brokers: the wish for the fleet must be the one its writer knew.
   * Every wish that leaves a broker empty changes this row, so a count made after the change misses nothing that may
   * still come.
   */
  unchanged(): StoreOp[] {
    const { version } = this;
    return [{ op: 'check', key: fleetKey, if: version === 0 ? { absent: true } : { version } }];
  }

  /** Call after that condition is refused. Throws the store's failure when it outlasts the wait. */
  refresh(): Promise<void> {
    return this.#read();
  }

  /** Calls the listener after each change. Returns a function that removes it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Reads the rows and follows them. Returns a function that stops following. */
  async follow(): Promise<() => void> {
    const stop = this.#persistence.store.watch(fleetKey.pk, (change) => {
      if (change !== 'gap') this.#note(change.row);
      // Repeats until the read succeeds: missed changes are not delivered again.
      else void this.#read(Number.POSITIVE_INFINITY).catch(ignoreFailure);
    });
    await this.#read();
    return stop;
  }

  /**
   * Changes the row; it is durable before it has an effect. Resolves with the version that was written.
   *
   * @param guard Conditions without which nothing is written: throws GuardRefused.
   */
  change(edit: (row: FleetRow) => FleetRow, guard?: () => readonly StoreOp[]): Promise<number> {
    return this.#untilWritten(async () => {
      const [written] = await this.#write([{ key: fleetKey, value: encodeFleet(edit(this.#row)) }], guard?.());
      return written!.version;
    });
  }

  /** Writes wishes for brokers, except where the same wish is under way. Resolves with the version of each wish. */
  async ask(wishes: ReadonlyMap<number, BrokerWish>): Promise<Map<number, number>> {
    const versions = new Map<number, number>();
    const all = [...wishes];
    for (let i = 0; i < all.length; i += wishesMax) {
      const some = all.slice(i, i + wishesMax);
      await this.#untilWritten(async () => {
        const missing = some.filter(([brokerId, wish]) => !this.#isUnderWay(brokerId, wish));
        for (const [brokerId] of some) versions.set(brokerId, this.#ofBrokers.get(brokerId)?.version ?? 0);
        const puts = missing.map(([brokerId, wish]) => ({
          key: brokerWishKey(brokerId),
          value: encodeBrokerWish(wish),
        }));
        // Written after the wishes, so whoever knows this version knows the wishes.
        const empties = missing.some(([, { act }]) => act === 'drain');
        const written = await this.#write(empties ? [...puts, { key: fleetKey, value: encodeFleet(this.#row) }] : puts);
        for (const row of written) {
          const brokerId = wishedBroker(row);
          if (brokerId !== undefined) versions.set(brokerId, row.version);
        }
      });
    }
    return versions;
  }

  /** Records the outcome of the wish written at `version`. Has no effect when something else is wanted by now. */
  async tell(brokerId: number, version: number, outcome: BrokerWish): Promise<void> {
    if (this.#ofBrokers.get(brokerId)?.version !== version) return;
    await this.#write([{ key: brokerWishKey(brokerId), value: encodeBrokerWish(outcome) }]).catch(ignoreConflict);
  }

  /** Writes the report when it differs from the last one. */
  async publish(report: FleetReport): Promise<void> {
    const value = encodeFleetReport(report);
    if (this.#report && value === encodeFleetReport(this.#report)) return;
    // A conflict means another controller believes that it keeps the fleet. The next report follows after its row was
    // read.
    await this.#write([{ key: fleetReportKey, value }]).catch(ignoreConflict);
  }

  #isUnderWay(brokerId: number, { act, afterEpoch }: BrokerWish): boolean {
    const wish = this.#ofBrokers.get(brokerId)?.wish;
    return wish !== undefined && !wish.isDone && wish.act === act && wish.afterEpoch === afterEpoch;
  }

  async #untilWritten<T>(write: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await write();
      } catch (failure) {
        if (!(failure instanceof StoreConflict)) throw failure;
        await sleep(this.#persistence.clock, conflictPauseMs);
      }
    }
  }

  /** Writes all rows or none, on the condition that they are as last known. A conflict updates what is known. */
  async #write(
    puts: readonly { readonly key: RowKey; readonly value: string }[],
    guard: readonly StoreOp[] = [],
  ): Promise<Row[]> {
    if (puts.length === 0) return [];
    const rows: Row[] = puts.map(({ key, value }) => ({
      ...key,
      value,
      version: (this.#versions.get(key.sk) ?? 0) + 1,
    }));
    const ops = rows.map(({ pk, sk, value, version }): StoreOp => {
      const condition = version === 1 ? { absent: true as const } : { version: version - 1 };
      return { op: 'put', key: { pk, sk }, value, if: condition };
    });
    try {
      await transactSurely(this.#persistence, [...ops, ...guard]);
    } catch (failure) {
      if (failure instanceof StoreConflict && failure.index >= ops.length) throw new GuardRefused('not ours any more');
      if (failure instanceof StoreConflict) this.#note(failure.current);
      throw failure;
    }
    for (const row of rows) this.#note(row);
    return rows;
  }

  async #read(waitMsMax?: number): Promise<void> {
    for (const row of await rangeSurely(this.#persistence, fleetKey.pk, waitMsMax)) this.#note(row);
  }

  /**
   * What the last keeper of the fleet said is wanted, for a process that has just started. The report's row is read before
   * the wish's, because that is the order of their keys.
   */
  #reported(): FleetRow | undefined {
    if (!this.#report) return undefined;
    const { brokers, override, evacuatedZones: evacuated } = this.#report.scaling;
    return { brokers, override: override ?? 0, evacuated };
  }

  /** Of a damaged row only the version counts: what was wanted before is still wanted, and the next wish replaces it. */
  #note(row: Row | undefined): void {
    const known = row && this.#versions.get(row.sk);
    if (!row || row.version <= (known ?? 0)) return;
    this.#versions.set(row.sk, row.version);
    const brokerId = wishedBroker(row);
    if (row.sk === fleetKey.sk) {
      const wanted = unlessDamaged(row, decodeFleet);
      this.#isDamaged = wanted === undefined;
      this.#row = wanted ?? (known === undefined ? this.#reported() : undefined) ?? this.#row;
    } else if (row.sk === fleetReportKey.sk) this.#report = unlessDamaged(row, decodeFleetReport) ?? this.#report;
    else if (brokerId !== undefined) {
      const wish = unlessDamaged(row, decodeBrokerWish) ?? this.#ofBrokers.get(brokerId)?.wish ?? noWish;
      this.#ofBrokers.set(brokerId, { wish, version: row.version });
      const toRestart = [...this.#ofBrokers].filter(([, { wish }]) => wish.act === 'restart').map(([id]) => id);
      this.#restartsNext = toRestart.length > 0 ? Math.min(...toRestart) : undefined;
    }
    for (const listener of this.#listeners) listener();
  }
}

function ignoreConflict(failure: unknown): void {
  if (!(failure instanceof StoreConflict)) throw failure;
}

function ignoreFailure(failure: unknown): void {
  if (!(failure instanceof Failure)) throw failure;
}

/** The wish in a broker's entry; absent when nothing is wanted of it. */
export function wishShown(wish: FleetWish, brokerId: number): Pick<BrokerEntry, 'wish'> {
  const act = wish.ofBroker(brokerId)?.wish.act ?? 'none';
  return act === 'none' ? {} : { wish: act };
}
