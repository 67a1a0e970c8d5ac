/**
 * Judges a history and names what is wrong with it. Pure: histories are planted in its tests. Requests without an answer
 * may have had their effect or not, so they prove nothing by themselves; what was acknowledged or read once is promised
 * for good. The reads of the consumer `final` are made when everything is quiet, and show what is left.
 */
import { volumeFullCode } from '../../engine/protocol/error-codes.ts';
import type { Entry, PartitionName, ProducerKind, ReadRecord, TimedEntry } from './history.ts';
import { wrongTime } from './judge-times.ts';

export type AnomalyName =
  | 'lost-write'
  | 'duplicate'
  | 'reorder'
  | 'divergence'
  | 'invented-record'
  | 'offset-gap'
  | 'truncated'
  | 'high-watermark-falls'
  | 'stale-end'
  | 'log-start-falls'
  | 'told-too-early'
  | 'wrong-epoch-end'
  | 'kept-too-little'
  | 'cut-not-done'
  | 'cut-too-far'
  | 'deleted-read'
  | 'wrong-time'
  | 'answered-early'
  | 'poll-not-woken'
  | 'drained-early'
  | 'leader-epoch-falls'
  | 'stale-owner-ack'
  | 'two-acking-owners'
  | 'lease-overlap'
  | 'needless-kill'
  | 'epoch-mismatch'
  | 'sequence-lost'
  | 'untrue-refusal'
  | 'producer-id-twice'
  | 'committed-offset-falls'
  | 'stale-member-commit'
  | 'generation-falls'
  | 'two-group-owners'
  | 'two-plans'
  | 'too-many-bytes'
  | 'move-noticed'
  | 'unnoticed-rot'
  | 'stuck'
  | 'leak'
  | 'bug';

export interface Anomaly {
  readonly name: AnomalyName;
  readonly atMs: number;
  readonly where: string;
  readonly what: string;
}

export const finalConsumer = 'final';
const offsetOutOfRange = 1;
const outOfOrder = 45;
const sequenceErrors: readonly number[] = [outOfOrder, 47, 59];
/** NOT_LEADER_OR_FOLLOWER, what the record producer says without a producer id, and no room: nobody has stored it. */
const unstoredCodes: readonly number[] = [6, 15, volumeFullCode];
const anomaliesMax = 50;
/** Of entries that say all of it themselves. */
const saidBy = {
  unnoticed: 'unnoticed-rot',
  leak: 'leak',
  unsettled: 'move-noticed',
  stuck: 'stuck',
  unwoken: 'poll-not-woken',
  undrained: 'drained-early',
  died: 'needless-kill',
  overfed: 'too-many-bytes',
} as const;
/** Of the time that a fetch may wait: clocks of processes differ. */
const waitShareMin = 0.98;

interface Sent {
  readonly producer: string;
  readonly as: ProducerKind;
  readonly index: number;
  ackedAt: number;
  /** Every attempt so far was answered, and so: nobody has it. */
  isUnstored: boolean | undefined;
}

class Partition {
  readonly sent = new Map<string, Sent>();
  /** What any client was shown at an offset. */
  readonly shown = new Map<number, string>();
  readonly offsetOf = new Map<string, number>();
  /** When a client was first shown a value. */
  readonly shownMs = new Map<string, number>();
  readonly final = new Map<number, ReadRecord>();
  finalStart = -1;
  isBounded = false;
  /** What retention by size has to leave. */
  keptBytes = 0;
  /** Somebody asked for records to be deleted: what is left says nothing of retention. */
  isCut = false;
  readonly sizes = new Map<number, number>();
  /** Only clients delete of it, up to here at most. */
  isCutOnly = false;
  cutTo = 0;
  readonly times: (TimedEntry & { kind: 'time' })[] = [];
  readonly starts: (TimedEntry & { kind: 'bound' })[] = [];
  /** Of each leader epoch the furthest end that its owner told. */
  readonly toldEnds = new Map<number, number>();
  readonly epochEnds: (TimedEntry & { kind: 'epoch-end' })[] = [];
  isDeleted = false;
  /** Latest acknowledgement of a broker. */
  ackEpoch = -1;
  ackBroker = -1;
  ackSession = -1;
  readonly highWatermarks = new Map<string, number>();
}

type SaidEntry = TimedEntry & { readonly kind: keyof typeof saidBy };

function isSaid(entry: TimedEntry): entry is SaidEntry {
  return entry.kind in saidBy;
}

/** In the order in which they show; at most a few dozen. */
export function check(history: readonly TimedEntry[]): Anomaly[] {
  const judge = new Judge();
  for (const entry of history) judge.see(entry);
  judge.end(history.at(-1)?.atMs ?? 0);
  return judge.anomalies.slice(0, anomaliesMax);
}

class Judge {
  readonly anomalies: Anomaly[] = [];
  readonly #partitions = new Map<PartitionName, Partition>();
  #mayRot = false;
  /** The highest offset that each group has sent of a partition. */
  readonly #tried = new Map<string, number>();
  /** Commits of which nobody was told that they are stored: over the connection of a gateway that died they may still come. */
  readonly #doubtful = new Set<string>();
  /** Of each group, partition and offset: commits less those that were refused because there was no room. */
  readonly #mayBeKept = new Map<string, number>();
  /** Of each group, generation and partition. */
  readonly #owners = new Map<string, string>();
  /** Of each group and generation. */
  readonly #plans = new Map<string, string>();
  readonly #sentCounts = new Map<string, number>();
  readonly #producerIds = new Set<number>();

  see(entry: TimedEntry): void {
    switch (entry.kind) {
      case 'topic':
        return this.#topic(entry);
      case 'cutting':
      case 'cut':
      case 'uncut':
        return this.#cut(entry);
      case 'time':
        return this.#time(entry);
      case 'poll':
        return this.#poll(entry);
      case 'bound':
        return this.#bound(entry);
      case 'epoch-end': {
        const { epochEnds, finalStart } = this.#partition(entry.partition);
        // Later ones may speak of a log that begins behind what was read of it.
        if (finalStart < 0) epochEnds.push(entry);
        return;
      }
      case 'deleted':
        this.#partition(entry.partition).isDeleted = true;
        return;
      case 'send':
        return this.#send(entry);
      case 'sent':
        return this.#sent(entry);
      case 'read':
        return this.#read(entry);
      case 'acked':
        return this.#acked(entry);
      case 'commit':
      case 'position':
        return this.#committed(entry);
      case 'committed':
        return this.#commitTold(entry);
      case 'joined':
        return this.#joined(entry);
      case 'overlap': {
        const what = `${entry.brokerId}@${entry.sessionEpoch} is fenced, and its lease is valid`;
        return this.#report('lease-overlap', entry.atMs, '', what);
      }
      case 'needless-kill': {
        const what = `${entry.brokerId}@${entry.sessionEpoch} runs and renews its lease, and is to be killed`;
        return this.#report('needless-kill', entry.atMs, '', what);
      }
      case 'producer-id':
        if (this.#producerIds.has(entry.id)) {
          this.#report('producer-id-twice', entry.atMs, '', `${entry.id} has been given to two`);
        }
        this.#producerIds.add(entry.id);
        return;
      case 'rot':
        this.#mayRot = true;
        return;
      case 'bug':
        return this.#report('bug', entry.atMs, entry.where, entry.what);
      default:
        if (isSaid(entry)) this.#report(saidBy[entry.kind], entry.atMs, '', entry.what);
    }
  }

  #topic({ partition: name, isBounded, keptBytes = 0, isCutOnly = false }: TimedEntry & { kind: 'topic' }): void {
    const partition = this.#partition(name);
    partition.isBounded = isBounded;
    partition.keptBytes = keptBytes;
    partition.isCutOnly = isCutOnly;
  }

  /** Later ones may speak of a log that begins behind what was read of it. */
  #time(entry: TimedEntry & { kind: 'time' }): void {
    const { times, finalStart } = this.#partition(entry.partition);
    if (finalStart < 0) times.push(entry);
  }

  end(atMs: number): void {
    for (const [name, partition] of this.#partitions) {
      if (partition.isDeleted || partition.finalStart < 0) continue;
      this.#checkLost(name, partition, atMs);
      this.#checkRefused(name, partition, atMs);
      this.#checkOrder(name, partition, atMs);
      this.#checkTold(name, partition, atMs);
      this.#checkEpochEnds(name, partition);
      this.#checkTimes(name, partition);
      if (!this.#mayRot) this.#checkKept(name, partition, atMs);
    }
  }

  #report(name: AnomalyName, atMs: number, where: string, what: string): void {
    this.anomalies.push({ name, atMs, where, what });
  }

  #reportStart(atMs: number, name: PartitionName, startOffset: number): void {
    this.#report('lost-write', atMs, name, `the log starts at ${startOffset}, and nothing may be deleted`);
  }

  #partition(name: PartitionName): Partition {
    let partition = this.#partitions.get(name);
    if (!partition) this.#partitions.set(name, (partition = new Partition()));
    return partition;
  }

  #send({ producer, as, partition, values }: TimedEntry & { kind: 'send' }): void {
    for (const value of values) {
      const index = this.#sentCounts.get(producer) ?? 0;
      this.#sentCounts.set(producer, index + 1);
      this.#partition(partition).sent.set(value, { producer, as, index, ackedAt: -1, isUnstored: undefined });
    }
  }

  #sent(entry: TimedEntry & { kind: 'sent' }): void {
    const { atMs, producer, partition, values, code, offset, startOffset = 0, isNext, leftMs = -1 } = entry;
    if (isNext && sequenceErrors.includes(code)) {
      const what = `${producer} got error ${code} for its next batch: what came before it is forgotten`;
      this.#report('sequence-lost', atMs, partition, what);
    }
    const state = this.#partition(partition);
    const shownMs = state.shownMs.get(values[0]!) ?? Infinity;
    // A producer has no more in flight than a log remembers: what was there when this repeat left is among that.
    if (!isNext && code === outOfOrder && shownMs < leftMs) {
      const what = `${producer} repeats ${values[0]}, which somebody has read, and is told that it is out of order`;
      this.#report('sequence-lost', atMs, partition, what);
    }
    for (const value of values) {
      const sent = state.sent.get(value)!;
      sent.isUnstored = unstoredCodes.includes(code) && sent.isUnstored !== false;
    }
    if (code !== 0) return;
    if (startOffset > 0 && !state.isBounded) this.#reportStart(atMs, partition, startOffset);
    for (const [i, value] of values.entries()) {
      state.sent.get(value)!.ackedAt = offset + i;
      this.#show(atMs, partition, state, offset + i, value);
    }
  }

  /** A client was shown `value` at `offset`. */
  #show(atMs: number, name: PartitionName, partition: Partition, offset: number, value: string): void {
    const before = partition.shown.get(offset);
    if (before !== undefined && before !== value) {
      this.#report('divergence', atMs, name, `offset ${offset} was ${before} and is ${value}`);
    }
    partition.shown.set(offset, value);
    if (!partition.sent.has(value)) {
      this.#report('invented-record', atMs, name, `nobody sent ${value}, found at ${offset}`);
    }
    const known = partition.offsetOf.get(value);
    if (known !== undefined && known !== offset) {
      this.#report('duplicate', atMs, name, `${value} is at ${known} and at ${offset}`);
    }
    partition.offsetOf.set(value, offset);
    if (known === undefined) partition.shownMs.set(value, atMs);
  }

  #read(entry: TimedEntry & { kind: 'read' }): void {
    const { atMs, partition: name, consumer, from, code, highWatermark, startOffset, records } = entry;
    const partition = this.#partition(name);
    if (code === offsetOutOfRange && startOffset <= from) {
      this.#report('truncated', atMs, name, `${consumer} is at ${from}, which is out of range`);
    }
    if (partition.isCutOnly && startOffset > partition.cutTo) {
      const what = `the log starts at ${startOffset}, and nobody wanted more deleted than what lies before ${partition.cutTo}`;
      this.#report('cut-too-far', atMs, name, what);
    }
    if (startOffset > 0 && !partition.isBounded) this.#reportStart(atMs, name, startOffset);
    let expected = from;
    for (const record of records) {
      const { offset, value } = record;
      if (offset !== expected) this.#report('offset-gap', atMs, name, `${offset} follows where ${expected} should be`);
      expected = offset + 1;
      this.#show(atMs, name, partition, offset, value);
      if (consumer === finalConsumer) partition.final.set(offset, record);
    }
    for (const { baseOffset, bytes } of entry.sizes ?? []) partition.sizes.set(baseOffset, bytes);
    // Retention goes on while the rest is read: what counts is the last start.
    if (consumer === finalConsumer) partition.finalStart = Math.max(partition.finalStart, startOffset);
    if (code !== 0) return;
    this.#checkAge(entry);
    const before = partition.highWatermarks.get(consumer) ?? -1;
    if (highWatermark < before) {
      this.#report('high-watermark-falls', atMs, name, `${consumer} saw ${before}, then ${highWatermark}`);
    }
    partition.highWatermarks.set(consumer, highWatermark);
    if (records.length > 0 && from < entry.asked.start) {
      const what = `${consumer} read from ${from} when the log was known to begin at ${entry.asked.start}`;
      this.#report('deleted-read', atMs, name, what);
    }
    if (expected > highWatermark) {
      this.#report(
        'high-watermark-falls',
        atMs,
        name,
        `${consumer} read ${expected - 1} of a log up to ${highWatermark}`,
      );
    }
  }

  /** Nobody knows what became of a wish without an answer: it may be done later, and as far as it was to go. */
  #cut(entry: TimedEntry & { kind: 'cutting' | 'cut' | 'uncut' }): void {
    const { atMs, partition: name, to } = entry;
    const partition = this.#partition(name);
    partition.isCut = true;
    if (entry.kind === 'cutting') {
      partition.cutTo = Math.max(partition.cutTo, to < 0 ? Infinity : to);
    } else if (entry.kind === 'cut') {
      const least = to < 0 ? entry.asked.end : to;
      if (entry.start >= least) return;
      this.#report(
        'cut-not-done',
        atMs,
        name,
        `what lies before ${least} was deleted, it was said, up to ${entry.start}`,
      );
    } else if (entry.code === offsetOutOfRange && to <= entry.asked.end) {
      this.#report('untrue-refusal', atMs, name, `${to} was known to be in the log, and out of range for who deletes`);
    }
  }

  #poll({ atMs, consumer, waitedMs, maxWaitMs, bytes, minBytes }: TimedEntry & { kind: 'poll' }): void {
    if (bytes >= minBytes || waitedMs >= maxWaitMs * waitShareMin) return;
    const what = `${consumer} was told of ${bytes} bytes after ${Math.round(waitedMs)} ms, and had asked for ${minBytes} within ${maxWaitMs}`;
    this.#report('answered-early', atMs, '', what);
  }

  #bound(entry: TimedEntry & { kind: 'bound' }): void {
    const { atMs, partition, which, offset, leaderEpoch, asked } = entry;
    const { toldEnds, starts, finalStart } = this.#partition(partition);
    if (which === 'start' && finalStart < 0) starts.push(entry);
    if (which === 'end') toldEnds.set(leaderEpoch, Math.max(offset, toldEnds.get(leaderEpoch) ?? 0));
    if (offset >= asked[which]) return;
    const [name, verb] =
      which === 'end' ? (['stale-end', 'go to'] as const) : (['log-start-falls', 'begin at'] as const);
    const what = `somebody asked when the log was known to ${verb} ${asked[which]}, and was told ${offset}`;
    this.#report(name, atMs, partition, what);
  }

  /** Whoever asks later is told no less than others before. */
  #checkAge({ atMs, partition, consumer, highWatermark, startOffset, asked }: TimedEntry & { kind: 'read' }): void {
    if (highWatermark < asked.end) {
      const what = `${consumer} asked when the log was known to go to ${asked.end}, and was told ${highWatermark}`;
      this.#report('stale-end', atMs, partition, what);
    }
    if (startOffset < asked.start) {
      const what = `${consumer} asked when the log was known to begin at ${asked.start}, and was told ${startOffset}`;
      this.#report('log-start-falls', atMs, partition, what);
    }
  }

  /** A slot that starts again in place keeps its epoch: its sessions follow one another. */
  #acked(entry: TimedEntry & { kind: 'acked' }): void {
    const { atMs, partition: name, brokerId, sessionEpoch, leaderEpoch, offset } = entry;
    const partition = this.#partition(name);
    const { ackEpoch, ackBroker, ackSession } = partition;
    if (entry.isFenced) {
      this.#report('stale-owner-ack', atMs, name, `${brokerId}@${sessionEpoch} is fenced and acknowledges ${offset}`);
    }
    if (entry.sentEpoch >= 0 && entry.sentEpoch !== leaderEpoch) {
      const what = `sent at epoch ${entry.sentEpoch}, acknowledged at ${leaderEpoch}, offset ${offset}`;
      this.#report('epoch-mismatch', atMs, name, what);
    }
    if (leaderEpoch < ackEpoch || (leaderEpoch === ackEpoch && brokerId === ackBroker && sessionEpoch < ackSession)) {
      const what = `${brokerId}@${sessionEpoch} acknowledges ${offset} at epoch ${leaderEpoch}, ${ackBroker}@${ackSession} did at ${ackEpoch}`;
      this.#report('stale-owner-ack', atMs, name, what);
      return;
    }
    if (leaderEpoch === ackEpoch && brokerId !== ackBroker) {
      const what = `brokers ${ackBroker} and ${brokerId} acknowledge at epoch ${leaderEpoch}`;
      this.#report('two-acking-owners', atMs, name, what);
    }
    partition.ackEpoch = leaderEpoch;
    partition.ackBroker = brokerId;
    partition.ackSession = sessionEpoch;
  }

  #committed(entry: TimedEntry & { kind: 'commit' | 'position' }): void {
    const { group, partition, offset } = entry;
    const name = `${group} ${partition}`;
    const tried = this.#tried.get(name) ?? -1;
    const kept = this.#mayBeKept.get(`${name} ${offset}`);
    if (entry.kind === 'commit') {
      this.#tried.set(name, Math.max(tried, offset));
      this.#mayBeKept.set(`${name} ${offset}`, (kept ?? 0) + 1);
    } else if (kept === 0) {
      this.#report(
        'untrue-refusal',
        entry.atMs,
        name,
        `no room for the commit of ${offset}, it was said, and it is there`,
      );
    } else if (offset >= 0 && offset <= (entry.gone ?? -1) && !this.#doubtful.has(`${name} ${offset}`)) {
      this.#report('committed-offset-falls', entry.atMs, name, `${offset} was deleted, and is back`);
    } else if ((offset < entry.acked || offset > tried) && !this.#doubtful.has(`${name} ${offset}`)) {
      const what = `committed ${entry.acked}, tried ${tried}, found ${offset}`;
      this.#report('committed-offset-falls', entry.atMs, name, what);
    }
  }

  #commitTold({ atMs, group, partition, offset, code, by }: TimedEntry & { kind: 'committed' }): void {
    const name = `${group} ${partition} ${offset}`;
    if (code === volumeFullCode) this.#mayBeKept.set(name, (this.#mayBeKept.get(name) ?? 1) - 1);
    else if (code !== 0) this.#doubtful.add(name);
    if (code !== 0 || !by || by.generation >= by.known) return;
    const what = `${by.member} of generation ${by.generation} committed ${offset} when ${by.known} had begun`;
    this.#report('stale-member-commit', atMs, group, what);
  }

  #joined(entry: TimedEntry & { kind: 'joined' }): void {
    const { atMs, group, member, generation, known, plan = '', partitions } = entry;
    if (generation < known) {
      this.#report('generation-falls', atMs, group, `${member} joined generation ${generation} after ${known}`);
    }
    const before = this.#plans.get(`${group} ${generation}`) ?? plan;
    if (plan !== '' && before !== plan) {
      const what = `generation ${generation} was told the plan of ${before}, and ${member} that of ${plan}`;
      this.#report('two-plans', atMs, group, what);
    }
    if (plan !== '') this.#plans.set(`${group} ${generation}`, plan);
    for (const partition of partitions) {
      const key = `${group} ${generation} ${partition}`;
      const owner = this.#owners.get(key) ?? member;
      if (owner !== member) {
        const what = `${owner} and ${member} own ${partition} in generation ${generation}`;
        this.#report('two-group-owners', atMs, group, what);
      }
      this.#owners.set(key, member);
    }
  }

  #checkLost(name: PartitionName, partition: Partition, atMs: number): void {
    const { final, finalStart } = partition;
    // What rotted is not read, nor what lies behind it.
    const end = this.#mayRot ? Math.max(-1, ...final.keys()) + 1 : Infinity;
    for (const [offset, value] of partition.shown) {
      if (offset < finalStart || offset >= end || final.get(offset)?.value === value) continue;
      const sent = partition.sent.get(value);
      const how = sent && sent.ackedAt >= 0 ? 'was acknowledged' : 'was read';
      this.#report('lost-write', atMs, name, `${value} ${how} at ${offset} and is gone`);
    }
  }

  /** What lies before the end that an owner told was written by it or by those before it: nobody has it anew. */
  #checkTold(name: PartitionName, { final, toldEnds }: Partition, atMs: number): void {
    for (const [offset, { leaderEpoch }] of final) {
      for (const [toldBy, end] of toldEnds) {
        if (leaderEpoch <= toldBy || offset >= end) continue;
        const what = `the owner at epoch ${toldBy} told of an end at ${end}, and ${offset} was written at ${leaderEpoch}`;
        this.#report('told-too-early', atMs, name, what);
      }
    }
  }

  /** Before the end of an epoch lies nothing of later ones; behind it, or where it is unknown, nothing of it that was known by then. */
  #checkEpochEnds(name: PartitionName, { final, epochEnds }: Partition): void {
    for (const { atMs, epoch, endOffset, asked } of epochEnds) {
      for (const [offset, { leaderEpoch }] of final) {
        const isBefore = offset < endOffset;
        if (isBefore ? leaderEpoch <= epoch : leaderEpoch > epoch || offset >= asked.end) continue;
        const what = `epoch ${epoch} was said to end at ${endOffset}, and ${offset} is of ${leaderEpoch}`;
        this.#report('wrong-epoch-end', atMs, name, what);
        break;
      }
    }
  }

  /** By what is left; and the epoch that a start was told with has to be that of the record there. */
  #checkTimes(name: PartitionName, { final, times, starts }: Partition): void {
    for (const entry of times) {
      const what = wrongTime(entry, final);
      if (what) this.#report('wrong-time', entry.atMs, name, what);
    }
    for (const { atMs, offset, leaderEpoch, asked } of starts) {
      const found = offset < asked.end ? final.get(offset) : undefined;
      if (!found || found.leaderEpoch === leaderEpoch) continue;
      const what = `the log was said to begin at ${offset} with epoch ${leaderEpoch}, and that is of ${found.leaderEpoch}`;
      this.#report('wrong-epoch-end', atMs, name, what);
    }
  }

  /** Retention takes no more than leaves what is to be kept. */
  #checkKept(name: PartitionName, { finalStart, isCut, keptBytes, sizes }: Partition, atMs: number): void {
    if (isCut || finalStart <= 0) return;
    let left = 0;
    for (const [baseOffset, bytes] of sizes) if (baseOffset >= finalStart) left += bytes;
    if (left >= keptBytes) return;
    const what = `${left} bytes are left behind ${finalStart} where ${keptBytes} are to be kept`;
    this.#report('kept-too-little', atMs, name, what);
  }

  #checkRefused(name: PartitionName, { sent, offsetOf }: Partition, atMs: number): void {
    for (const [value, { isUnstored }] of sent) {
      const at = offsetOf.get(value);
      if (!isUnstored || at === undefined) continue;
      this.#report('untrue-refusal', atMs, name, `nobody has stored ${value}, it was said, and it is at ${at}`);
    }
  }

  #checkOrder(name: PartitionName, { final, sent }: Partition, atMs: number): void {
    const last = new Map<string, { index: number; value: string }>();
    let epoch = -1;
    for (const [offset, { value, leaderEpoch }] of [...final].sort(([a], [b]) => a - b)) {
      if (leaderEpoch < epoch) {
        this.#report('leader-epoch-falls', atMs, name, `epoch ${leaderEpoch} at ${offset} follows ${epoch}`);
      }
      epoch = Math.max(epoch, leaderEpoch);
      const one = sent.get(value);
      // Whether a value without an answer came early or late is nobody's promise, unless the producer repeated it in order.
      if (!one || (one.as !== 'idempotent' && one.ackedAt < 0)) continue;
      const before = last.get(one.producer);
      if (before && before.index > one.index) {
        this.#report('reorder', atMs, name, `${value} at ${offset} follows ${before.value}`);
      }
      last.set(one.producer, { index: one.index, value });
    }
  }
}

/** Whether an entry is worth a line in the story of a failure. */
export function isStory(entry: Entry): boolean {
  return (
    entry.kind === 'fault' ||
    entry.kind === 'engine' ||
    entry.kind === 'bug' ||
    entry.kind === 'stuck' ||
    entry.kind === 'leak'
  );
}
