/**
 * Faults that are short scripts (fault-scripts.ts), for the mix in which a process has not heard of something:
 * controllers that start to keep the fleet while their decisions are in flight, feeds that break while they are read,
 * and deletions whose answers are lost.
 */
import { brokerSessionsPk, decodeBrokerSession } from '../../engine/controller/rows/broker-session.ts';
import { placementSkPrefix } from '../../engine/controller/rows/placement.ts';
import { decodeShard, shardCount, shardKey, shardPk } from '../../engine/controller/rows/shard.ts';
import { topicSkPrefix } from '../../engine/controller/rows/topic.ts';
import { logPkPrefix } from '../../engine/log/rows/log-state.ts';
import { shardOf } from '../../engine/placement/shard.ts';
import type { RowChange, StoreOp } from '../../engine/ports.ts';
import type { BrokerProcess } from './broker-process.ts';
import { type FaultActs, placementsPk } from './fault-acts.ts';
import type { Fault } from './fault-plan.ts';
import type { ParentProcess } from './parent-process.ts';
import type { SimProcess } from './process.ts';
import { goodMood } from './process-store.ts';

/** A dead broker is back by then, and who started it dead, and the next one in its place. */
const decidedLateMs = 4200;
/** For the change of a topic to be told before the broker dies. */
const changedFirstMs = 60;
const turnMsMax = 7000;
const hangMs = 5000;
const heldReadMsMax = 700;
/** A lost change is reported as a gap, and the process has the report. */
const gapToldMs = 90;

/**
 * A broker dies. The decision about it by a controller that does not keep the fleet is in flight until the broker is
 * back, its keeper dead, and that controller keeps the fleet; or the decision waits that long for its turn. Either way
 * nobody may take from the broker any more. In every second world the row has changed when the decision arrives, so
 * that the controller decides again.
 */
export function decideAndKeep(acts: FaultActs, broker: BrokerProcess | undefined, fault: Fault): void {
  void shardOwner(acts, fault.target).then((found) => {
    if (found && !acts.world.isHealed) keepMeanwhile(acts, found, fault);
    else acts.kill(broker, 'SIGKILL');
  });
}

interface Undecided {
  /** Who does not keep the fleet, and decides about partitions of the broker. */
  readonly decider: ParentProcess;
  readonly broker: BrokerProcess;
  /** The rows of the shard in which it decides. */
  readonly pk: string;
}

async function shardOwner(acts: FaultActs, target: number): Promise<Undecided | undefined> {
  const { store } = acts.world;
  const found: Undecided[] = [];
  for (const { clusterId, topicId, isDeleted } of acts.topics.topics) {
    const shard = shardOf(clusterId, shardCount);
    const row = await store.rows.get(shardKey(shard));
    const owner = row ? decodeShard(row).controllerId : '';
    const decider = acts.onlookers().find(({ process }) => owner.startsWith(nameOf(process)));
    if (isDeleted || !decider) continue;
    for (const { brokerId } of acts.supervisor.parent.catalogue.byId(topicId)?.partitions ?? []) {
      const broker = acts.supervisor.brokers().find(({ slot, isServing }) => isServing && slot.brokerId === brokerId);
      if (broker) found.push({ decider, broker, pk: shardPk(shard) });
    }
  }
  return found[target % Math.max(1, found.length)];
}

function nameOf({ name }: SimProcess): string {
  return name.replace(' ', '-');
}

function keepMeanwhile(acts: FaultActs, undecided: Undecided, { value }: Fault): void {
  const { decider, broker } = undecided;
  const { loop, store } = acts.world;
  const { slot, process } = broker;
  const { name } = decider.process;
  const waitsForTurn = value % 3 === 0;
  const lateMs = decidedLateMs + value;
  const act = (): void => acts.world.fault(`store: the placement of ${name} has come`);
  const isDue = (ops: readonly StoreOp[]): boolean => ops.some(({ key }) => key.sk.startsWith(placementSkPrefix));
  if (waitsForTurn) holdTurn(acts, undecided);
  else {
    acts.world.fault(`store: the next placement of ${name} is ${lateMs} ms late`);
    store.traps.set(decider.process, { pk: placementsPk, when: 'after', lateMs, isDue, act });
  }
  loop.schedule(waitsForTurn ? changedFirstMs : 0, () => acts.kill(broker, 'SIGKILL'));
  const back = (change: RowChange): void => {
    if (change === 'gap' || !change.row || change.key.sk !== String(slot.brokerId)) return;
    const { state, pid } = decodeBrokerSession(change.row);
    if (state !== 'serving' || pid === process.pid) return;
    stop();
    if (acts.world.isHealed) return;
    for (const other of acts.supervisor.deciders) if (other !== decider) acts.hang(other.process, hangMs);
    if (!waitsForTurn) for (let i = 0; i < acts.topics.topics.length; i++) acts.topics.grow(i);
  };
  const stop = store.rows.watch(brokerSessionsPk, back);
}

/**
 * Its plan waits while it rereads what another process has changed there; the answer arrives when it has adopted the
 * broker.
 */
function holdTurn(acts: FaultActs, { decider, broker, pk }: Undecided): void {
  const { loop, store } = acts.world;
  let answer: () => void = () => undefined;
  const until = new Promise<void>((resolve) => (answer = resolve));
  const act = (): void => acts.world.fault(`store: ${decider.process.name} waits for what is in ${pk}`);
  store.heldReads.set(decider.process, { pk, until, act });
  const forget = decider.controller.onEvent(({ kind, brokerId }) => {
    if (kind === 'broker-adopted' && brokerId === broker.slot.brokerId) loop.schedule(1, answer);
  });
  loop.schedule(turnMsMax, () => {
    forget();
    answer();
  });
  for (const isBounded of [true, false]) acts.topics.create(isBounded);
}

/**
 * A process has missed a change and rereads; before the answer arrives it misses another one. It is told that it has,
 * and has to read once more: nothing later makes up for it, because the topic grows for the last time.
 */
export function missTwice(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { store, loop } = acts.world;
  const process = value % 2 === 0 && broker ? broker.process : acts.supervisor.parent.process;
  const live = acts.topics.topics.filter(({ isDeleted }) => !isDeleted);
  const topic = live[target % Math.max(1, live.length)];
  if (!topic || !process.isRunning || store.deafTo.has(process)) return;
  const index = acts.topics.topics.indexOf(topic);
  const pk = shardPk(shardOf(topic.clusterId, shardCount));
  const hear = (): void => void store.deafTo.delete(process);
  let answer: () => void = () => undefined;
  const until = new Promise<void>((resolve) => (answer = resolve));
  const whileRead = (): void => {
    acts.world.fault(`store: ${process.name} misses more while it reads anew`);
    store.deafTo.set(process, pk);
    acts.topics.grow(index, 2);
    const done = (): void => {
      stop();
      // Not in this turn, in which the change is still to be told.
      loop.schedule(1, hear);
      loop.schedule(gapToldMs, answer);
    };
    const stop = store.rows.watch(pk, (change) => {
      if (change !== 'gap' && change.key.sk === topicSkPrefix + topic.name) done();
    });
    loop.schedule(heldReadMsMax, () => {
      stop();
      hear();
      answer();
    });
  };
  acts.world.fault(`store: ${process.name} misses what changes of ${topic.name}`);
  store.deafTo.set(process, pk);
  acts.topics.grow(index);
  loop.schedule(100 + (value % 200), () => {
    store.heldReads.set(process, { pk, until, act: whileRead });
    hear();
  });
}

/**
 * Clients delete records, and the owner dies when it has deleted them and has answered nobody. Over a slow store no
 * broker serves before the clients get an answer. That answer must not say that nothing was done.
 */
export function killAfterDeleting(
  acts: FaultActs,
  broker: BrokerProcess | undefined,
  { value, durationMs }: Fault,
): void {
  if (!broker) return;
  const { store, loop } = acts.world;
  const act = (): void => {
    acts.kill(broker, 'SIGKILL');
    acts.mood({ ...goodMood, slowMs: 150 + (value % 250) }, 800 + durationMs);
  };
  let isAsked = false;
  store.traps.set(broker.process, { pk: logPkPrefix, when: 'after', isDue: () => isAsked, act });
  loop.schedule(value % 20, () => {
    isAsked = true;
    for (const cutter of acts.topics.cutters) cutter.cutAll();
  });
}
