/**
 * What operators ask of the fleet, in whatever process they ask it: the wish is written (fleet-wish.ts), the controller that
 * keeps the fleet carries it out, and the call ends when the rows say so. A caller that goes away, or a controller that
 * dies in the middle, changes nothing about the wish.
 */
import { sleep } from '../kernel/clock.ts';
import { Failure, InvalidRequest, ShuttingDown } from '../kernel/failure.ts';
import { getSurely, type Persistence, rangeSurely } from '../store-surely.ts';
import type { FleetWish } from './fleet-wish.ts';
import { brokerSessionKey, brokerSessionsPk, decodeBrokerSession } from './rows/broker-session.ts';
import type { BrokerWish, WishedAct } from './rows/broker-wish.ts';
import type { FleetReport, ScalingShown } from './rows/fleet-report.ts';

/** All throw FleetUnkept when what they ask is written and nobody does it. */
export interface FleetCalls {
  /** Moves everything off and keeps it off. Resolves with how many partitions nobody else could take. */
  drainBroker(brokerId: number): Promise<number>;
  /** Drain, end, start again, fill again: for upgrades. Resolves when the broker serves. */
  restartBroker(brokerId: number): Promise<void>;
  /** Ends a drain: the broker may own partitions again. */
  undrainBroker(brokerId: number): Promise<void>;
  /** All that serve, one after the other. */
  restartBrokers(): Promise<void>;
  /** Ends a broker's process without asking it, and has another in its slot. Resolves when that serves. */
  replaceBroker(brokerId: number): Promise<void>;
  /** How many brokers there should be, and why; undefined while no controller has said it. */
  scaling(): ScalingShown | undefined;
  /** So many, or as the load says (undefined). A multiple of the zones within the bounds is made of it. */
  scaleFleet(brokers: number | undefined): Promise<ScalingShown>;
  /** Empties a zone and keeps it empty. Resolves with how many partitions nobody else could take. */
  evacuateZone(zone: string): Promise<number>;
  restoreZone(zone: string): Promise<void>;
}

/** The wish is written, and no controller is alive that could carry it out. The next one will. */
export class FleetUnkept extends Failure {
  readonly code = 'owner-unavailable';
  override readonly retryable = true;
}

export interface FleetCallsParts {
  readonly persistence: Persistence;
  readonly wish: FleetWish;
  /** Whether a controller that is alive keeps the fleet. */
  isKept(): boolean;
  zones(): Iterable<string>;
  /** Longer than a controller's lease, so that the next one has had its chance. */
  readonly unkeptMsMax: number;
}

const pollMs = 20;
const nothing: BrokerWish = { act: 'none', afterEpoch: 0, isDone: true, left: 0 };

export function fleetCalls(parts: FleetCallsParts): FleetCalls {
  const { persistence, wish } = parts;
  const { clock } = persistence;

  const until = async <T>(read: () => T | undefined): Promise<T> => {
    let keptAtMs = clock.monotonicMs();
    for (;;) {
      const value = read();
      if (value !== undefined) return value;
      const nowMs = clock.monotonicMs();
      if (parts.isKept()) keptAtMs = nowMs;
      if (nowMs - keptAtMs > parts.unkeptMsMax) {
        throw new FleetUnkept('it is written down, and no controller is alive that could do it: the next one will');
      }
      if (persistence.stopped?.()) throw new ShuttingDown('this process stops; what was asked for goes on');
      await sleep(clock, pollMs);
    }
  };

  const wishOf = async (brokerId: number, act: WishedAct): Promise<BrokerWish> => {
    const row = await getSurely(persistence, brokerSessionKey(brokerId));
    if (!row) throw new InvalidRequest('brokerId', `there is no broker ${brokerId}`);
    if (act !== 'drain' && !wish.isWanted(brokerId)) {
      throw new InvalidRequest('brokerId', `broker ${brokerId} is not part of the fleet by now`);
    }
    return act === 'drain'
      ? { ...nothing, act, isDone: false }
      : { ...nothing, act, isDone: false, afterEpoch: decodeBrokerSession(row).epoch };
  };

  /** What became of the wish that was written at `version`. */
  const outcome = async (brokerId: number, asked: BrokerWish, version: number): Promise<BrokerWish> => {
    const done = await until(() => {
      const noted = wish.ofBroker(brokerId);
      return noted && noted.version > version && (noted.wish.isDone || noted.wish.act !== asked.act)
        ? noted.wish
        : undefined;
    });
    const isAsAsked = done.isDone && done.act === (asked.act === 'drain' ? 'drain' : 'none');
    if (!isAsAsked) throw new InvalidRequest('brokerId', `something else was asked of broker ${brokerId} meanwhile`);
    return done;
  };

  const askAll = async (wishes: ReadonlyMap<number, BrokerWish>): Promise<BrokerWish[]> => {
    const versions = await wish.ask(wishes);
    return Promise.all([...wishes].map(([brokerId, asked]) => outcome(brokerId, asked, versions.get(brokerId)!)));
  };
  const ask = async (brokerId: number, act: WishedAct): Promise<BrokerWish> =>
    (await askAll(new Map([[brokerId, await wishOf(brokerId, act)]])))[0]!;

  const reported = (isFar: (report: FleetReport) => boolean): Promise<FleetReport> =>
    until(() => (wish.report && isFar(wish.report) ? wish.report : undefined));
  const assertZone = (zone: string): void => {
    if (![...parts.zones()].includes(zone)) throw new InvalidRequest('zone', `there is no zone ${zone}`);
  };

  return {
    drainBroker: async (brokerId) => (await ask(brokerId, 'drain')).left,
    restartBroker: async (brokerId) => void (await ask(brokerId, 'restart')),
    replaceBroker: async (brokerId) => void (await ask(brokerId, 'replace')),
    async undrainBroker(brokerId) {
      await wish.ask(new Map([[brokerId, nothing]]));
    },
    async restartBrokers() {
      const rows = await rangeSurely(persistence, brokerSessionsPk);
      const serving = rows.map(decodeBrokerSession).filter(({ state }) => state === 'serving');
      const wanted = serving.filter(({ brokerId }) => wish.isWanted(brokerId)).sort((a, b) => a.brokerId - b.brokerId);
      const restart = ({ epoch }: { epoch: number }) => ({
        ...nothing,
        act: 'restart' as const,
        isDone: false,
        afterEpoch: epoch,
      });
      await askAll(new Map(wanted.map((session) => [session.brokerId, restart(session)])));
    },
    scaling: () => wish.report?.scaling,
    async scaleFleet(brokers) {
      const version = await wish.change((row) => ({ ...row, override: brokers ?? 0 }));
      return (await reported(({ seen }) => seen >= version)).scaling;
    },
    async evacuateZone(zone) {
      assertZone(zone);
      const version = await wish.change((row) => ({
        ...row,
        evacuated: [...new Set([...row.evacuated, zone])].sort(),
      }));
      return (await reported(({ acted }) => acted >= version)).left[zone] ?? 0;
    },
    async restoreZone(zone) {
      assertZone(zone);
      const version = await wish.change((row) => ({
        ...row,
        evacuated: row.evacuated.filter((other) => other !== zone),
      }));
      await reported(({ acted }) => acted >= version);
    },
  };
}
