/**
 * What operators ask of the fleet, in any process. The call writes the wish (fleet-wish.ts), the controller that keeps
 * the fleet carries it out, and the call ends when the rows say so. The wish survives a caller that goes away and a
 * controller that dies midway.
 */
import { sleep } from '../../kernel/clock.ts';
import { Failure, InvalidRequest, ShuttingDown } from '../../kernel/failure.ts';
import { getSurely, type Persistence, rangeSurely } from '../../store-surely.ts';
import type { FleetWish } from './fleet-wish.ts';
import { brokerSessionKey, brokerSessionsPk, decodeBrokerSession, readableSessions } from '../rows/broker-session.ts';
import type { BrokerWish, WishedAct } from '../rows/broker-wish.ts';
import type { FleetReport, ScalingShown } from '../rows/fleet-report.ts';

/** All throw FleetUnkept when the wish is written and no controller carries it out. */
export interface FleetCalls {
  /** Moves everything off and keeps it off. Resolves with the number of partitions that nobody else could take. */
  drainBroker(brokerId: number): Promise<number>;
  /** Drains, stops, starts and refills the broker: for upgrades. Resolves when the broker serves. */
  restartBroker(brokerId: number): Promise<void>;
  /** Ends a drain: the broker may own partitions again. */
  undrainBroker(brokerId: number): Promise<void>;
  /** Restarts all serving brokers, one after the other. */
  restartBrokers(): Promise<void>;
  /** Kills a broker's process and starts another in its slot. Resolves when that one serves. */
  replaceBroker(brokerId: number): Promise<void>;
  /** How many brokers there should be, and why. Undefined until a controller has reported it. */
  scaling(): ScalingShown | undefined;
  /**
   * Sets the number of brokers, or lets the load decide (undefined). The number becomes a multiple of the zones within
   * the bounds.
   */
  scaleFleet(brokers: number | undefined): Promise<ScalingShown>;
  /** Empties a zone and keeps it empty. Resolves with the number of partitions that nobody else could take. */
  evacuateZone(zone: string): Promise<number>;
  restoreZone(zone: string): Promise<void>;
}

/** The wish is written, but no live controller can carry it out. The next one will, so there is nothing to repeat. */
export class FleetUnkept extends Failure {
  readonly code = 'fleet-unkept';
}

/** There is no zone or broker of that name. */
export class NotInFleet extends Failure {
  readonly code = 'not-found';
}

export interface FleetCallsParts {
  readonly persistence: Persistence;
  readonly wish: FleetWish;
  /** Whether a live controller keeps the fleet. */
  readonly isKept: () => boolean;
  readonly zones: () => Iterable<string>;
  /** Longer than a controller's lease, so the next controller gets its chance. */
  readonly unkeptMsMax: number;
}

const pollMs = 20;
const nothing: BrokerWish = { act: 'none', afterEpoch: 0, isDone: true, left: 0 };

/** Returns functions that may be passed on one by one. */
export function fleetCalls(parts: FleetCallsParts): FleetCalls {
  const calls = new WrittenCalls(parts);
  return {
    drainBroker: (brokerId) => calls.drainBroker(brokerId),
    undrainBroker: (brokerId) => calls.undrainBroker(brokerId),
    restartBroker: (brokerId) => calls.restartBroker(brokerId),
    restartBrokers: () => calls.restartBrokers(),
    replaceBroker: (brokerId) => calls.replaceBroker(brokerId),
    scaling: () => calls.scaling(),
    scaleFleet: (brokers) => calls.scaleFleet(brokers),
    evacuateZone: (zone) => calls.evacuateZone(zone),
    restoreZone: (zone) => calls.restoreZone(zone),
  };
}

class WrittenCalls implements FleetCalls {
  readonly #parts: FleetCallsParts;

  constructor(parts: FleetCallsParts) {
    this.#parts = parts;
  }

  async drainBroker(brokerId: number): Promise<number> {
    return (await this.#ask(brokerId, 'drain')).left;
  }

  async restartBroker(brokerId: number): Promise<void> {
    await this.#ask(brokerId, 'restart');
  }

  async replaceBroker(brokerId: number): Promise<void> {
    await this.#ask(brokerId, 'replace');
  }

  async undrainBroker(brokerId: number): Promise<void> {
    await this.#parts.wish.ask(new Map([[brokerId, nothing]]));
  }

  async restartBrokers(): Promise<void> {
    const { persistence, wish } = this.#parts;
    const sessions = readableSessions(await rangeSurely(persistence, brokerSessionsPk));
    const serving = sessions.filter(({ brokerId, state }) => state === 'serving' && wish.isWanted(brokerId));
    serving.sort((a, b) => a.brokerId - b.brokerId);
    await this.#askAll(new Map(serving.map(({ brokerId, epoch }) => [brokerId, open('restart', epoch)])));
  }

  scaling(): ScalingShown | undefined {
    return this.#parts.wish.report?.scaling;
  }

  async scaleFleet(brokers: number | undefined): Promise<ScalingShown> {
    const version = await this.#parts.wish.change((row) => ({ ...row, override: brokers ?? 0 }));
    return (await this.#reported(({ seen }) => seen >= version)).scaling;
  }

  evacuateZone(zone: string): Promise<number> {
    return this.#changeZones(zone, (evacuated) => [...evacuated, zone].sort());
  }

  async restoreZone(zone: string): Promise<void> {
    await this.#changeZones(zone, (evacuated) => evacuated);
  }

  /** `edit` receives the other evacuated zones. Resolves with the number of partitions left in the zone. */
  async #changeZones(zone: string, edit: (others: readonly string[]) => readonly string[]): Promise<number> {
    const { wish, zones } = this.#parts;
    if (![...zones()].includes(zone)) throw new NotInFleet(`there is no zone ${zone}`);
    const version = await wish.change((row) => ({
      ...row,
      evacuated: edit(row.evacuated.filter((other) => other !== zone)),
    }));
    return (await this.#reported(({ acted }) => acted >= version)).left[zone] ?? 0;
  }

  async #ask(brokerId: number, act: 'drain' | 'restart' | 'replace'): Promise<BrokerWish> {
    const { persistence, wish } = this.#parts;
    const row = await getSurely(persistence, brokerSessionKey(brokerId));
    if (!row) throw new NotInFleet(`there is no broker ${brokerId}`);
    if (act !== 'drain' && !wish.isWanted(brokerId)) {
      throw new InvalidRequest('brokerId', `broker ${brokerId} is no longer part of the fleet`);
    }
    const afterEpoch = act === 'drain' ? 0 : decodeBrokerSession(row).epoch;
    return (await this.#askAll(new Map([[brokerId, open(act, afterEpoch)]])))[0]!;
  }

  async #askAll(wishes: ReadonlyMap<number, BrokerWish>): Promise<BrokerWish[]> {
    const versions = await this.#parts.wish.ask(wishes);
    return Promise.all([...wishes].map(([brokerId, asked]) => this.#outcome(brokerId, asked, versions.get(brokerId)!)));
  }

  /** The outcome of the wish written at `version`. */
  async #outcome(brokerId: number, asked: BrokerWish, version: number): Promise<BrokerWish> {
    const done = await this.#until(() => {
      const noted = this.#parts.wish.ofBroker(brokerId);
      if (!noted || noted.version <= version) return undefined;
      return noted.wish.isDone || noted.wish.act !== asked.act ? noted.wish : undefined;
    });
    const isAsAsked = done.isDone && done.act === (asked.act === 'drain' ? 'drain' : 'none');
    if (!isAsAsked)
      throw new InvalidRequest('brokerId', `broker ${brokerId} was asked to do something else in the meantime`);
    return done;
  }

  #reported(isFar: (report: FleetReport) => boolean): Promise<FleetReport> {
    const { wish } = this.#parts;
    return this.#until(() => (wish.report && isFar(wish.report) ? wish.report : undefined));
  }

  async #until<T>(read: () => T | undefined): Promise<T> {
    const { persistence, isKept, unkeptMsMax } = this.#parts;
    const { clock } = persistence;
    let keptAtMs = clock.monotonicMs();
    for (;;) {
      const value = read();
      if (value !== undefined) return value;
      const nowMs = clock.monotonicMs();
      if (isKept()) keptAtMs = nowMs;
      if (nowMs - keptAtMs > unkeptMsMax) {
        throw new FleetUnkept('the request is saved, but no controller is running to carry it out: the next one will');
      }
      if (persistence.stopped?.())
        throw new ShuttingDown('this process is stopping; the request is saved and will still be carried out');
      await sleep(clock, pollMs);
    }
  }
}

function open(act: WishedAct, afterEpoch: number): BrokerWish {
  return { act, afterEpoch, isDone: false, left: 0 };
}
