/**
 * A fleet of broker sessions without processes, for tests of the controller. Each broker is a real session over its own
 * view of the store, and can be killed, hung and woken. The fleet checks what a controller must never do.
 */
import { openSession, type Session } from '../broker/session.ts';
import type { Clock } from '../kernel/clock.ts';
import { assert } from '../kernel/assert.ts';
import { seededRandom } from '../kernel/random.ts';
import { announcement } from '../log/rows/change-rows.ts';
import { type BrokerSlot, type Fleet, LinkClosed, type MetadataStore } from '../ports.ts';
import { errorCode } from '../protocol/error-codes.ts';
import type { MemoryStore } from '../store-memory.ts';
import type { BeginRecovery, BrokerRequest, KnownOfDead, Recovered } from './context.ts';
import type { LoadReport } from './moves/partition-loads.ts';
import type { BrokerSession } from './rows/broker-session.ts';

export interface TestFleet extends Fleet {
  /** For a fleet whose brokers outlive the process that started them. */
  readonly adopts: NonNullable<Fleet['adopt']>;
  readonly runs: NonNullable<Fleet['runs']>;
  /** Starts a process that is unknown to all, as its starter died before it had a session. Returns its kill -9. */
  stray(slot: BrokerSlot): () => void;
  readonly request: BrokerRequest;
  /** Asserts that the session belongs to a process that has ended. */
  beginRecovery: BeginRecovery;
  recover(session: BrokerSession, version: number, known?: KnownOfDead): Promise<Recovered>;
  /** Sessions whose recovery used work begun before their fence. */
  readonly ahead: string[];
  /** kill -9 from outside. */
  crash(brokerId: number): void;
  /** SIGSTOP: the broker neither sends nor answers. */
  hang(brokerId: number): void;
  isGone(pid: number): boolean;
  session(brokerId: number): Session | undefined;
  readonly starts: number[];
  readonly kills: number[];
  readonly recovered: string[];
  /** Logs that brokers were told to close, as 'broker:partition'. */
  readonly closed: string[];
  /** Called before a recovery ends. If it throws, the recovery fails. */
  onRecover: (session: BrokerSession) => void | Promise<void>;
  /** Called when a recovery's leftovers are removed. */
  onCleanUp: (session: BrokerSession) => void | Promise<void>;
  /** Called before a release is answered. */
  onRelease: () => void | Promise<void>;
  /** The load that a broker reports for one second. */
  readonly traffic: Map<number, LoadReport['logs']>;
  /** Brokers whose start opens no session. */
  readonly broken: Set<number>;
  /** Brokers that do not answer requests. */
  readonly deaf: Set<number>;
  /** Brokers that cannot release logs, and go on serving them. */
  readonly unable: Set<number>;
}

interface Process {
  readonly pid: number;
  readonly slot: BrokerSlot;
  alive: boolean;
  hung: boolean;
  session: Session | undefined;
}

function loadReport(perSecond: LoadReport['logs']): LoadReport {
  const seconds = 5;
  const logs = perSecond.map(({ topicId, partition, bytesIn, bytesOut, requests }) => ({
    topicId,
    partition,
    bytesIn: bytesIn * seconds,
    bytesOut: bytesOut * seconds,
    requests: requests * seconds,
  }));
  return { elapsedMs: seconds * 1000, logs };
}

const never = new Promise<never>(() => undefined);

export function testFleet(store: MemoryStore, clock: Clock): TestFleet {
  const processes = new Map<number, Process>();
  const listeners: ((brokerId: number) => void)[] = [];
  const pids = new Map<number, Process>();
  let nextPid = 1000;

  const end = (process: Process | undefined): void => {
    if (!process?.alive) return;
    process.alive = false;
    clock.after(5, () => {
      if (processes.get(process.slot.brokerId) !== process) return;
      for (const listener of listeners) listener(process.slot.brokerId);
    });
  };
  const reaped = async (brokerId: number): Promise<void> => {
    end(processes.get(brokerId));
    await new Promise<void>((resolve) => clock.after(6, resolve));
  };
  const viewOf = (process: Process): MetadataStore => {
    const view = store.connect();
    const gate = <T>(run: () => Promise<T>): Promise<T> => (process.alive && !process.hung ? run() : never);
    return {
      get: (key) => gate(() => view.get(key)),
      range: (pk, options) => gate(() => view.range(pk, options)),
      transact: (ops, token) => gate(() => view.transact(ops, token)),
      watch: (pk, onChange) => view.watch(pk, onChange),
      close: () => view.close(),
    };
  };

  const begin = (slot: BrokerSlot): Process => {
    const process: Process = { pid: nextPid++, slot, alive: true, hung: false, session: undefined };
    pids.set(process.pid, process);
    return process;
  };
  const open = (process: Process): void => {
    const { slot, pid } = process;
    const parts = { store: viewOf(process), clock, random: seededRandom(pid), slot, pid };
    void openSession({ ...parts, onFenced: () => end(process) }).then((session) => (process.session = session));
  };

  const fleet: TestFleet = {
    starts: [],
    kills: [],
    recovered: [],
    ahead: [],
    closed: [],
    traffic: new Map(),
    broken: new Set(),
    deaf: new Set(),
    unable: new Set(),
    onRecover: () => undefined,
    onCleanUp: () => undefined,
    onRelease: () => undefined,
    async start(slot) {
      assert(!processes.get(slot.brokerId)?.alive, 'a slot has one process');
      fleet.starts.push(slot.brokerId);
      const process = begin(slot);
      processes.set(slot.brokerId, process);
      if (!fleet.broken.has(slot.brokerId)) open(process);
    },
    async adopts({ brokerId }, pid) {
      const process = pids.get(pid);
      if (!process?.alive || process.slot.brokerId !== brokerId) return false;
      processes.set(brokerId, process);
      return true;
    },
    runs: (brokerId, pid) => processes.get(brokerId)?.pid === pid,
    stray(slot) {
      const process = begin(slot);
      open(process);
      return () => end(process);
    },
    async kill(brokerId) {
      fleet.kills.push(brokerId);
      await reaped(brokerId);
    },
    async stop(brokerId) {
      const process = processes.get(brokerId);
      if (!process?.alive) return;
      await process.session?.setState('draining');
      await process.session?.close();
      await reaped(brokerId);
    },
    onExit: (listener) => void listeners.push(listener),
    request: (async (brokerId: number, key: number, request: { logs: { topicId: string; partition: number }[] }) => {
      const process = processes.get(brokerId);
      if (!process?.alive || process.hung || fleet.deaf.has(brokerId)) throw new LinkClosed('no answer');
      if (key === 30003) return loadReport(fleet.traffic.get(brokerId) ?? []);
      if (key === 30000) await fleet.onRelease();
      if (key === 30001) for (const log of request.logs) fleet.closed.push(`${brokerId}:${log.partition}`);
      const code = key === 30000 && fleet.unable.has(brokerId) ? errorCode.kafkaStorageError : errorCode.none;
      return { logs: request.logs.map((log) => ({ ...log, errorCode: code })) };
    }) as unknown as BrokerRequest,
    beginRecovery({ brokerId, epoch, pid, state }) {
      assert(fleet.isGone(pid) && state === 'serving', 'who writes no more is read before the fence');
      const fileId = `${brokerId}@${epoch}`;
      const read = Promise.resolve({
        scan: { records: 0, bytes: 0, ignoredBytes: 0, durableLsn: 0, endLsn: 0 },
        logs: [],
      });
      return { fileId, read, announcement: announcement(fileId, 0) };
    },
    async recover(session, version, known) {
      const row = await store.get({ pk: 'BROKER', sk: String(session.brokerId) });
      const isFenced = session.state === 'fenced' || session.state === 'recovered';
      assert(row?.version === version && isFenced, 'only a fenced session is recovered');
      assert(fleet.isGone(session.pid) || processes.get(session.brokerId)?.hung, 'only a dead broker is recovered');
      await fleet.onRecover(session);
      fleet.recovered.push(`${session.brokerId}@${session.epoch}`);
      if (known?.ahead) {
        assert(await store.get(known.ahead.announcement.key), 'the file is announced with the fence');
        fleet.ahead.push(known.ahead.fileId);
      }
      return { isSealed: false, cleanUp: async () => fleet.onCleanUp(session) };
    },
    crash: (brokerId) => end(processes.get(brokerId)),
    hang(brokerId) {
      processes.get(brokerId)!.hung = true;
    },
    isGone: (pid) => !pids.get(pid)?.alive,
    session: (brokerId) => processes.get(brokerId)?.session,
  };
  return fleet;
}
