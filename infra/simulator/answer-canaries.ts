/**
 * More planted bugs (canaries.ts), in what clients are told again, or told too early, or too much of: each was planted in the
 * sources first, and passed a hundred worlds or nearly all of them.
 */
import { decodeRecord } from '../../engine/broker/groups/group-records.ts';
import { LogWriter } from '../../engine/broker/groups/log-writer.ts';
import { PendingAppend } from '../../engine/log/partition/partition-append.ts';
import { ProducerState } from '../../engine/log/fold/producer-state.ts';
import { Tail } from '../../engine/log/partition/tail.ts';
import { FetchRouter } from '../../engine/routing/fetch.ts';
import { SequenceGaps } from '../../engine/records/sequence-gaps.ts';
import { baseSequence, producerId } from '../../engine/records/batch.ts';
import type { Canary } from './plant.ts';
import { methodOf, replaced } from './plant-parts.ts';

export const answerCanaries: readonly Canary[] = [
  {
    name: 'gives the memory of a batch back while somebody reads it',
    scenario: 'planned',
    plant: () => ({ patch: dropEarly }),
  },
  {
    name: 'answers all appends but one in fifty',
    scenario: 'planned',
    plant: () => ({ patch: forgetAnswers }),
  },
  {
    name: 'looks for repeats in four batches of a producer',
    scenario: 'repeats',
    seed: 9,
    plant: () => ({ patch: keepFour }),
  },
  {
    name: 'remembers one batch of a producer where it opens a log',
    scenario: 'repeats',
    seed: 8,
    plant: () => ({ patch: restoreLast }),
  },
  {
    name: 'tells members their parts before they are durable',
    scenario: 'groups',
    seed: 7,
    plant: () => ({ patch: tellBeforeDurable }),
  },
  {
    name: 'gives more than a fetch asks for',
    scenario: 'kills',
    seed: 3,
    plant: () => ({ patch: giveMore }),
  },
  {
    name: 'lets in what follows a given-up batch where sequences begin anew at 0',
    scenario: 'far',
    seed: 52,
    plant: () => ({ patch: forgetGapsAtWrap }),
  },
];

/** Whoever reads a log's tail has no hold of what it reads. */
function dropEarly(): () => void {
  const read = methodOf(Tail.prototype, 'read');
  return replaced(Tail.prototype, 'read', function (this: Tail, offset, maxBytes, minOneBatch, out, frames) {
    const before = frames.length;
    const bytes = read.call(this, offset, maxBytes, minOneBatch, out, frames);
    for (const frame of frames.slice(before)) frame.drop();
    return bytes;
  });
}

function forgetAnswers(): () => void {
  const acknowledge = methodOf(PendingAppend.prototype, 'acknowledge');
  let count = 0;
  return replaced(PendingAppend.prototype, 'acknowledge', function (this: PendingAppend) {
    if (++count % 50 > 0) acknowledge.call(this);
  });
}

function keepFour(): () => void {
  const set = methodOf(ProducerState.prototype, 'set');
  return replaced(ProducerState.prototype, 'set', function (this: ProducerState, id, entry, producersMax) {
    set.call(this, id, entry && { ...entry, batches: entry.batches.slice(-4) }, producersMax);
  });
}

function restoreLast(): () => void {
  const restore = methodOf(ProducerState, 'restore');
  return replaced(ProducerState, 'restore', (snapshot) =>
    restore.call(
      ProducerState,
      snapshot.map(([id, epoch, lastMs, batches]) => [id, epoch, lastMs, batches.slice(-1)]),
    ),
  );
}

/** A group has the state in its record as soon as that record is in flight. */
function tellBeforeDurable(): () => void {
  const write = methodOf(LogWriter.prototype, 'write');
  return replaced(LogWriter.prototype, 'write', function (this: LogWriter, records, apply) {
    const isGroup = records.length === 1 && decodeRecord(records[0]!)?.kind === 'group';
    if (!isGroup) return write.call(this, records, apply);
    const written = write.call(this, records, () => undefined);
    apply(0, records.length);
    return written;
  });
}

function giveMore(): () => void {
  const fetch = methodOf(FetchRouter.prototype, 'fetch');
  return replaced(FetchRouter.prototype, 'fetch', function (this: FetchRouter, partitions, options) {
    const more = partitions.map((each) => ({ ...each, maxBytes: each.maxBytes * 2 }));
    return fetch.call(this, more, { ...options, maxBytes: options.maxBytes * 2 });
  });
}

/** Compares sequences as if they never wrapped around. */
function forgetGapsAtWrap(): () => void {
  const [add, isEarly] = [methodOf(SequenceGaps.prototype, 'add'), methodOf(SequenceGaps.prototype, 'isEarly')];
  /** Of each producer the latest that was given up. */
  const latest = new Map<number, number>();
  const undo = [
    replaced(SequenceGaps.prototype, 'add', function (this: SequenceGaps, append, nowMs) {
      const id = producerId(append.records, 0);
      latest.set(id, Math.max(latest.get(id) ?? 0, baseSequence(append.records, 0)));
      add.call(this, append, nowMs);
    }),
    replaced(SequenceGaps.prototype, 'isEarly', function (this: SequenceGaps, append, nowMs) {
      const isBefore = baseSequence(append.records, 0) < (latest.get(producerId(append.records, 0)) ?? 0);
      return isEarly.call(this, append, nowMs) && !isBefore;
    }),
  ];
  return () => {
    for (const each of undo) each();
  };
}
