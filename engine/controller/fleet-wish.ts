/**
 * What the fleet should be (rows/fleet.ts), as every controller sees it: which slots should have a broker, and which zones
 * are to be left empty. The controller that keeps the fleet changes it; the others follow the row, so that none of them
 * places a topic where it should not go.
 */
import { sleep } from '../kernel/clock.ts';
import { type Row, type StoreOp, StoreConflict } from '../ports.ts';
import { getSurely, type Persistence, transactSurely } from '../store-surely.ts';
import type { BrokerTable } from './brokers.ts';
import { decodeFleet, encodeFleet, fleetKey, type FleetRow } from './rows/fleet.ts';

const conflictPauseMs = 20;

export class FleetWish {
  readonly #persistence: Persistence;
  readonly #brokers: BrokerTable;
  #row: FleetRow;
  #version = 0;

  /** `first` holds until somebody has written the row. */
  constructor(persistence: Persistence, brokers: BrokerTable, first: FleetRow) {
    this.#persistence = persistence;
    this.#brokers = brokers;
    this.#row = first;
    this.#apply();
  }

  get row(): FleetRow {
    return this.#row;
  }

  /** Reads the row and follows it. Returns the way to stop. */
  async follow(): Promise<() => void> {
    const stop = this.#persistence.store.watch(fleetKey.pk, (change) => {
      if (change !== 'gap') this.#note(change.row);
      // What was missed is read with the next change; nobody else writes the row of the controller that keeps the fleet.
    });
    this.#note(await getSurely(this.#persistence, fleetKey));
    return stop;
  }

  /** Durable before it has an effect. */
  async change(edit: (row: FleetRow) => FleetRow): Promise<void> {
    for (;;) {
      const row = edit(this.#row);
      const version = this.#version;
      const condition = version === 0 ? { absent: true as const } : { version };
      const op: StoreOp = { op: 'put', key: fleetKey, value: encodeFleet(row), if: condition };
      try {
        await transactSurely(this.#persistence, [op]);
        this.#version = Math.max(this.#version, version + 1);
        this.#row = row;
        this.#apply();
        return;
      } catch (failure) {
        if (!(failure instanceof StoreConflict)) throw failure;
        this.#note(failure.current);
        await sleep(this.#persistence.clock, conflictPauseMs);
      }
    }
  }

  #note(row: Row | undefined): void {
    if (!row || row.version < this.#version) return;
    this.#version = row.version;
    this.#row = decodeFleet(row);
    this.#apply();
  }

  #apply(): void {
    const { brokers, evacuated } = this.#row;
    for (const view of this.#brokers.all()) {
      view.wanted = view.slot.brokerId <= brokers;
      view.evacuated = evacuated.includes(view.slot.zone);
    }
  }
}
