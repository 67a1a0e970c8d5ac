/**
 * Faults that are short scripts: their conditions would otherwise coincide once in ten thousand seeds. Each says which
 * mistake it is meant to reveal.
 */
import { brokerSessionsPk, decodeBrokerSession } from '../../engine/controller/rows/broker-session.ts';
import { segmentFilePk } from '../../engine/log/rows/segment-file.ts';
import { leasesPk } from '../../engine/controller/rows/lease.ts';
import type { StoreOp } from '../../engine/ports.ts';
import type { BrokerProcess } from './broker-process.ts';
import { type FaultActs, placementsPk, trapTimes } from './fault-acts.ts';
import type { Fault, FaultKind } from './fault-plan.ts';
import { goodMood } from './process-store.ts';
import { loseAnswers, losePowerWhenTold } from './answer-scripts.ts';
import { deleteWhileDying, lookAsleep } from './again-scripts.ts';
import { moveWhileAway } from './bucket-scripts.ts';
import { goOver } from './gateway-scripts.ts';
import { decideAndKeep, killAfterDeleting, missTwice } from './missed-scripts.ts';
import { askAsleep, growUnheard, mountEarlier, refuseParts, strandBatches } from './seldom-scripts.ts';
import {
  crowdFirsts,
  deliverLate,
  killAfterCut,
  killBeforeFirst,
  killInRush,
  leaveMove,
  moveWhenFull,
  moveWhileRefused,
  placeBehindDrain,
  deleteUnsynced,
  shareFileSlowly,
} from './rare-scripts.ts';

/** Longer than anybody waits for a lease. */
const hangMsMax = 6000;
/** For the disk to become full, and to have room again. */
const focusMsMax = 1500;
/** How the wall clock is set while a broker is stopped: after this many ms, by this many. */
const wallSteps = [
  [0, 0],
  [400, -60_000],
  [350, 60_000],
] as const;
/** Two records of the write-ahead log, each with one record of a producer. */
const fullAfterBytes = 290;

type Script = (acts: FaultActs, broker: BrokerProcess | undefined, fault: Fault) => void;

const scripts: Readonly<Partial<Record<FaultKind, Script>>> = {
  'orphan-stall': stallOrphan,
  'late-remap': remapLate,
  'end-late': endLate,
  'move-cut': cutMove,
  'move-late': placeLate,
  'move-unheard': moveUnheard,
  'twin-start': startTwin,
  'wake-at-fence': wakeAtFence,
  'repeat-unsynced': repeatUnsynced,
  'new-file-power': losePowerAtNewFile,
  'drop-power': losePowerAtDrop,
  'full-kill': killAfterFull,
  'fault-power': losePowerAfterFault,
  'cut-kill': killAfterCut,
  'rush-kill': killInRush,
  'fresh-kill': killBeforeFirst,
  crowd: crowdFirsts,
  'two-recoveries': recoverTwice,
  'full-move': moveWhenFull,
  'full-drain': moveWhileRefused,
  'left-move': leaveMove,
  'move-away': moveWhileAway,
  'shared-file': shareFileSlowly,
  'late-frame': deliverLate,
  'late-place': placeBehindDrain,
  'answers-lost': loseAnswers,
  'told-power': losePowerWhenTold,
  'slow-delete': deleteUnsynced,
  'go-over': goOver,
  'refused-parts': refuseParts,
  'stranded-batches': strandBatches,
  'earlier-volume': mountEarlier,
  'unheard-growth': growUnheard,
  'asked-asleep': askAsleep,
  'keep-meanwhile': decideAndKeep,
  'missed-twice': missTwice,
  'deleted-kill': killAfterDeleting,
  'delete-dying': deleteWhileDying,
  'stale-look': lookAsleep,
};

export function isScript(kind: FaultKind): boolean {
  return kind in scripts;
}

export function runScript(acts: FaultActs, kind: FaultKind, broker: BrokerProcess | undefined, fault: Fault): void {
  scripts[kind]!(acts, broker, fault);
}

/**
 * A broker is stopped while a renewal of its lease is answered and a sync is in flight, and stays stopped until its lease
 * has ended and its parent has died. When it continues, both answers wait for it, and it does not know the time.
 */
function stallOrphan(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  if (!broker) return;
  const { disks, store, settings, loop } = acts.world;
  const { process, slot } = broker;
  disks.slowMs.set(slot.volume, 60);
  const act = (): void => {
    disks.slowMs.delete(slot.volume);
    acts.hang(process, settings.lease.durationMs * 1.5 + 500 + value);
    loop.schedule(value % 300, () => acts.killProcess(acts.decider(target).process));
    stepWall(acts, value);
  };
  store.traps.set(process, { pk: leasesPk, when: 'after', isDue: () => disks.isSyncing(process), act });
}

/**
 * The wall clock is set while a process is stopped, as when a virtual machine resumes: back, before it continues, or
 * forward, while others wait for its end. No lease may be measured by this clock.
 */
function stepWall(acts: FaultActs, value: number): void {
  const [afterMs, jumpMs] = wallSteps[value % wallSteps.length]!;
  if (jumpMs !== 0) acts.world.loop.schedule(afterMs + (value % 300), () => acts.jumpWall(jumpMs));
}

/** A broker dies, and the decision about it by a controller that does not keep the fleet arrives when it is back. */
function remapLate(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const others = acts.onlookers();
  const decider = others[target % Math.max(1, others.length)];
  if (decider) {
    const { name } = decider.process;
    const lateMs = 1200 + value;
    acts.world.fault(`store: the next placement of ${name} is ${lateMs} ms late`);
    const act = (): void => acts.world.fault(`store: the placement of ${name} has come`);
    acts.world.store.traps.set(decider.process, { pk: placementsPk, when: 'after', lateMs, act });
  }
  // In every second world the late write places a new topic, and the decision about the broker waits behind it for its
  // turn.
  if (value % 2 === 1) acts.topics.create(value % 4 === 1);
  acts.world.loop.schedule(value % 2 === 1 ? 40 + (value % 60) : 0, () => acts.kill(broker, 'SIGKILL'));
}

/**
 * A broker that is asked to end writes so and is stopped, and its parent dies. The write arrives when the broker's
 * lease has lapsed and others have fenced and recovered it, or its slot has its next session. It must have no effect.
 */
function endLate(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  if (!broker) return;
  const { store } = acts.world;
  const { process, slot } = broker;
  const act = (): void => {
    acts.hang(process, hangMsMax);
    acts.killProcess(acts.decider(target).process);
  };
  store.traps.set(process, { pk: brokerSessionsPk, when: 'before', lateMs: 1000 + value * 2, act });
  acts.world.fault(`store: what ${process.name} writes of its end is late`);
  acts.planned('restart', slot.brokerId - 1, 0);
}

/** The controller that moves partitions dies between their release and the row that names their next owner. */
function cutMove(acts: FaultActs, _broker: BrokerProcess | undefined, { target, value, durationMs }: Fault): void {
  for (const { process } of acts.supervisor.deciders) {
    const act = (): void => acts.killProcess(process);
    acts.world.store.traps.set(process, { pk: placementsPk, when: trapTimes[value % 5]!, act });
  }
  acts.planned('drain', target, durationMs);
}

/**
 * The process that restarts a broker dies at that moment. The new broker process is slow to load, and comes up beside the
 * one that the next controller starts in its place. Then that one dies, with much to recover, while the other waits for its
 * slot.
 */
function startTwin(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { loop, disks, killsAtStart } = acts.world;
  const { slot } = broker;
  for (const { process } of acts.supervisor.deciders) killsAtStart.set(process, 2000 + value);
  acts.kill(broker, 'SIGKILL');
  loop.schedule(2000, () => killsAtStart.clear());
  loop.schedule(3200 + value, () => {
    disks.slowMs.set(slot.volume, 150);
    const serving = acts.supervisor.brokers().find((one) => one.slot === slot && one.isServing);
    acts.kill(serving, 'SIGKILL');
    loop.schedule(600, () => disks.slowMs.delete(slot.volume));
  });
}

/**
 * A mover's write after a release arrives about when the broker that released takes back logs that nobody opened
 * (take-back.ts): before its check, between check and write, or after it. The store is slow for a while, so that this
 * time is long. One of the two writes may take effect.
 */
function placeLate(acts: FaultActs, _broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { store, loop, settings } = acts.world;
  const lateMs = 4700 + value;
  const { brokerId } = settings.slots[target % settings.slots.length]!;
  const owner = acts.supervisor.brokers().find(({ slot }) => slot.brokerId === brokerId);
  // The owner writes before the mover's write has taken effect, and its own write takes effect after that.
  if (owner && value % 2 === 0) {
    const act = (): void => acts.world.fault(`store: what ${owner.process.name} takes back has come`);
    store.traps.set(owner.process, { pk: placementsPk, when: 'after', lateMs: 1200, act });
  }
  for (const { process } of acts.supervisor.deciders) {
    const act = (): void => acts.world.fault(`store: the placement of ${process.name} has come`);
    store.traps.set(process, { pk: placementsPk, when: 'after', lateMs, act });
  }
  acts.planned('drain', target, lateMs + 1500);
  loop.schedule(500, () => (acts.world.lullUntilMs = loop.nowMs + 3800));
  const changeLostPercent = value % 3 === 1 ? 70 : 0;
  if (value % 3 > 0) loop.schedule(4600, () => acts.mood({ ...goodMood, slowMs: 250, changeLostPercent }, 1400));
}

/** No answer of a broker arrives while its partitions move: the batches it has stored reach the next owner again. */
function moveUnheard(acts: FaultActs, _broker: BrokerProcess | undefined, { target, value, durationMs }: Fault): void {
  const { network, settings, loop } = acts.world;
  const { address } = settings.slots[target % settings.slots.length]!;
  acts.world.fault(`network: no answers over some links to ${address}`);
  network.mute(address, acts.random);
  acts.planned('drain', target, durationMs);
  loop.schedule(300 + value, () => {
    acts.world.fault(`over: no answers over some links to ${address}`);
    network.unmute(address, acts.random);
  });
}

/**
 * A stopped broker whose parent is dead is found lapsed, and resumes while its fence is in flight: it renews its lease
 * first, and the fence must be refused. Or it resumes when the fence has taken effect: it must find its lease over, and
 * get no other.
 */
function wakeAtFence(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  if (!broker) return;
  const { store, loop } = acts.world;
  const { process, slot } = broker;
  acts.hang(process, hangMsMax);
  stepWall(acts, value);
  loop.schedule(value % 200, () => acts.killProcess(acts.decider(target).process));
  store.trapForAny = {
    pk: brokerSessionsPk,
    when: value % 4 < 2 ? 'before' : 'after',
    lateMs: 1 + (value % 3),
    isDue: (ops) => hasFence(ops, slot.brokerId),
    act: () => {
      // In every fourth world it cannot reach the store, so it never learns the outcome of its renewal.
      if (value % 8 >= 6) store.cutOff.add(process);
      process.resume();
    },
  };
}

/**
 * A controller is stopped when it has fenced a dead broker, until another one, which now keeps the fleet, is in the
 * middle of that broker's recovery: then both recover it. One of them may take effect.
 */
function recoverTwice(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { store } = acts.world;
  const { brokerId } = broker.slot;
  const deciders = acts.supervisor.deciders.map(({ process }) => process);
  if (deciders.length > 1) {
    for (const process of deciders) {
      const act = (): void => {
        acts.hang(process, hangMsMax);
        const wake = (): void => process.resume();
        for (const other of deciders) {
          if (other === process) store.traps.delete(other);
          else store.traps.set(other, { pk: segmentFilePk, when: 'before', lateMs: 20 + (value % 60), act: wake });
        }
      };
      store.traps.set(process, { pk: brokerSessionsPk, when: 'after', isDue: (ops) => hasFence(ops, brokerId), act });
    }
  }
  acts.kill(broker, 'SIGKILL');
}

function hasFence(ops: readonly StoreOp[], brokerId: number): boolean {
  return ops.some(
    (op) =>
      op.op === 'put' &&
      op.key.pk === brokerSessionsPk &&
      op.key.sk === String(brokerId) &&
      decodeBrokerSession({ ...op.key, value: op.value, version: 1 }).state === 'fenced',
  );
}

/** What waits for a slow sync is sent once more over another link, and the power fails before the sync is over. */
function repeatUnsynced(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { disks, network, loop } = acts.world;
  const { volume, address } = broker.slot;
  const resetMs = 150 + (value % 100);
  disks.slowMs.set(volume, 500);
  loop.schedule(resetMs, () => {
    acts.world.fault(`network: reset ${address}`);
    network.reset(address);
  });
  loop.schedule(resetMs + 25 + (value % 130), () => {
    acts.slotPower(broker);
    disks.slowMs.delete(volume);
  });
}

/** The power fails shortly after a sync that covers the end of one log file and the beginning of the next. */
function losePowerAtNewFile(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { disks, loop } = acts.world;
  // In every second world its syncs take long, including those of the directory.
  const isSlow = value % 2 === 0;
  if (isSlow) disks.slowMs.set(broker.slot.volume, 120);
  const afterMs = (1 + (value % 25) / 5) * (isSlow ? 10 : 1);
  const act = (): void =>
    void loop.schedule(afterMs, () => {
      disks.slowMs.delete(broker.slot.volume);
      acts.slotPower(broker);
    });
  disks.newFileTraps.set(broker.process, { root: broker.slot.volume, act });
}

/** The power fails shortly after a log file was deleted: the rest begins at the next file, which must exist. */
function losePowerAtDrop(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { disks, loop } = acts.world;
  const act = (): void => void loop.schedule((1 + (value % 30)) / 10, () => acts.slotPower(broker));
  disks.dropTraps.set(broker.process, { root: broker.slot.volume, act });
  // The last one goes when it ends.
  if (value % 3 === 0) acts.planned('restart', broker.slot.brokerId - 1, 0);
}

/**
 * A write of three batches or more finds the disk full behind the second; the broker dies just after the first that finds
 * room again. Meanwhile two of its partitions are written to, and no other: what is written then is as long as what was
 * refused, and of the same logs.
 */
function killAfterFull(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { disks, loop } = acts.world;
  const { process, slot } = broker;
  const partitions = new Set(acts.partitionsOf(slot.brokerId).slice(0, 2));
  acts.world.focus = { partitions, untilMs: loop.nowMs + focusMsMax };
  process.onEnd(() => (acts.world.focus = { partitions, untilMs: 0 }));
  acts.world.fault(`disk: full at the next write to ${slot.volume}`);
  const met = (): void => {
    // The first one is of what was written before.
    const trap = { root: slot.volume, skip: value % 4 === 0 ? 0 : 1, afterMs: 0.2 + (value % 9) / 4 };
    disks.traps.set(process, { ...trap, act: () => acts.kill(broker, 'SIGKILL') });
  };
  const afterBytes = fullAfterBytes + (value % 250);
  disks.of(slot.volume).plan({ on: 'write', error: 'full', afterBytes, bytesMin: fullAfterBytes * 1.5, met });
}

/**
 * A sync fails, which ends the broker. Its log is recovered, and a moment later the power fails: data that was only in
 * memory is lost.
 */
function losePowerAfterFault(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { disks, loop } = acts.world;
  const { process, slot } = broker;
  acts.world.fault(`disk: the next sync of ${slot.volume} fails`);
  disks.of(slot.volume).plan({ on: 'datasync', error: 'io' });
  const forget = process.onEnd((reason) => {
    forget();
    if (reason === 'fatal') loop.schedule(100 + value * 0.6, () => acts.power());
  });
}
