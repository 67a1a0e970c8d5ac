/** Requests of the data plane: mostly what a client would send, at times with one thing wrong. */
import { zeroUuid } from '../../engine/kernel/uuid.ts';
import { batchField } from '../../engine/records/batch.ts';
import { kafkaDoorDefaults } from '../../gateway/kafka/settings.ts';
import type { Draw } from '../fuzz/draw.ts';
import { ask, nobodysId, oddPartition, oddPartitions, topicId, topicName } from './draw-names.ts';
import type { Model, Producer, Topic } from './model.ts';
import { type AskStep, type BatchPlan, startTime } from './steps.ts';

function records(draw: Draw): BatchPlan['batch']['records'] {
  return Array.from({ length: 1 + draw.below(4) }, (_, i) => ({
    key: draw.chance(30) ? null : `k${draw.below(5)}`,
    value: draw.chance(5) ? null : 'v'.repeat(1 + draw.below(draw.chance(10) ? 3_000 : 40)),
    atMs: draw.below(1_000) + i + (draw.chance(1) ? tooLateMs : 0),
  }));
}

/** Beyond every message.timestamp.after.max.ms that is drawn. */
const tooLateMs = 36_000_000;

const firstZstdVersion = 7;
const noCodec = 5;
const logAppendTimeBit = 0x08;
const transactionalBit = 0x10;

/**
 * Bytes that are no batch are alone in their request: beside good batches Kafka refuses all of them. The same holds for
 * a missing codec, where Kafka checks for one that is too new for the version.
 */
function wound(draw: Draw, isAlone: boolean, version: number): NonNullable<BatchPlan['batch']['wounds']>[number] {
  const drawn = drawWound(draw, isAlone);
  const refusesAll = drawn.at === batchField.attributes && (drawn.value & 7) >= noCodec;
  return refusesAll && !isAlone && version < firstZstdVersion ? { ...drawn, value: logAppendTimeBit } : drawn;
}

function drawWound(draw: Draw, isAlone: boolean): NonNullable<BatchPlan['batch']['wounds']>[number] {
  if (isAlone && draw.chance(25)) {
    return draw.pick([
      { at: batchField.magic, bits: 8, value: draw.pick([0, 1, 3]) },
      { at: batchField.batchLength, bits: 32, value: draw.pick([-1, 0, 10, 0x7fff_ffff]) },
    ] as const);
  }
  return draw.pick([
    { at: batchField.attributes, bits: 16, value: draw.pick([0x08, transactionalBit, 0x20, 0x40, 5, 7]) },
    { at: batchField.lastOffsetDelta, bits: 32, value: draw.pick([-1, 0, 7, 0x7fff_ffff]) },
    { at: batchField.count, bits: 32, value: draw.pick([-1, 0, 9, 0x7fff_ffff]) },
    { at: batchField.baseOffset + 4, bits: 32, value: 77 },
    { at: batchField.leaderEpoch, bits: 32, value: 12 },
  ] as const);
}

/** A sequence that continues, repeats, leaves a gap, or comes from an older or newer epoch. */
function producerOf(
  draw: Draw,
  producer: Producer,
  topic: Topic,
  partition: number,
  count: number,
): BatchPlan['batch']['producer'] {
  const at = `${topic.name}#${topic.turn}/${partition}`;
  const next = producer.sequences.get(at) ?? 0;
  const odd = draw.chance(20) ? draw.pick([-2, -1, 1, 5, -count]) : 0;
  const sequence = Math.max(next + odd, draw.chance(3) ? -1 : 0);
  const id = draw.chance(96) ? { ref: producer.slot, otherwise: 999_999 } : draw.pick([123_456_789, -1]);
  if (draw.chance(3)) {
    // A newer epoch, which starts over and fences the older one; sometimes sent as if it did not start over.
    return { id, epoch: producer.epoch + 1, sequence: draw.chance(70) ? 0 : sequence };
  }
  if (odd === 0) producer.sequences.set(at, next + count);
  return { id, epoch: draw.chance(97) ? producer.epoch : Math.max(producer.epoch - 1, 0), sequence };
}

export function drawProduce(draw: Draw, model: Model): AskStep {
  const version = 3 + draw.below(11);
  const acks = draw.pick([-1, -1, -1, 1, 1, 0, ...(draw.chance(10) ? [2, -2, 5] : [])]);
  const topics = draw.chance(85) ? [topicName(draw, model)] : [topicName(draw, model), topicName(draw, model)];
  const topicData = [...new Set(topics)].map((name) => {
    const topic = model.topic(name);
    const index = oddPartition(draw, topic);
    const made = records(draw);
    const producer =
      topic && model.producers.length > 0 && draw.chance(45)
        ? producerOf(draw, draw.pick(model.producers), topic, index, made.length)
        : undefined;
    // One fault at a time: which of two is found first does not matter.
    const hurt = draw.chance(12) ? draw.pick(['wound', 'fault'] as const) : undefined;
    const batch: BatchPlan['batch'] = {
      records: made,
      ...(producer ? { producer } : {}),
      ...(hurt === 'wound' ? { wounds: [wound(draw, topics.length === 1, version)] } : {}),
      ...(hurt === 'fault' ? { fault: draw.pick(['crc', 'cut', 'twice', 'empty'] as const) } : {}),
    };
    return { name, topicId: topicId(draw, model, name), partitionData: [{ index, records: { batch } }] };
  });
  const isTransactional = topicData.some(({ partitionData }) =>
    partitionData.some(({ records: { batch } }) => batch.wounds?.some(({ value }) => value === transactionalBit)),
  );
  // Beside batches of a transaction it would begin one at Kafka.
  const transactionalId = isTransactional || draw.chance(92) ? null : draw.pick(['', '§tx']);
  return ask(0, version, { transactionalId, acks, timeoutMs: draw.pick([0, 1_000, 30_000]), topicData });
}

function fetchPartition(draw: Draw, partition: number) {
  return {
    partition,
    currentLeaderEpoch: draw.chance(85) ? -1 : draw.pick([0, 1, 7]),
    fetchOffset: draw.chance(80) ? draw.below(8) : draw.pick([-1, -2, 20, 1_000_000]),
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: draw.pick([1_048_576, 1_048_576, 1_048_576, 0, 1, 200, 1_000]),
  };
}

/** At once on one connection. */
const sessionsMax = kafkaDoorDefaults.fetchSessionsMax;

function notZero(id: unknown, isRefused: boolean): unknown {
  return isRefused && id === zeroUuid ? nobodysId : id;
}

export function drawFetch(draw: Draw, model: Model): AskStep {
  const session = model.sessions.length > 0 && draw.chance(50) ? draw.pick(model.sessions) : undefined;
  const usesIds = session && draw.chance(95) ? session.usesIds : draw.chance(50);
  const version = usesIds ? 13 + draw.below(6) : session ? 7 + draw.below(6) : 4 + draw.below(9);
  const isNew = !session && version >= 7 && draw.chance(40) && model.sessions.length < sessionsMax;
  const names = Array.from({ length: session ? draw.below(2) : 1 + draw.below(2) }, () => topicName(draw, model));
  const topics = [...new Set(names)].map((name) => ({
    topic: name,
    // At an id of zeroes in a session Kafka runs into an exception.
    topicId: notZero(topicId(draw, model, name), Boolean(session) || isNew),
    partitions: oddPartitions(draw, model.topic(name)).map((partition) => fetchPartition(draw, partition)),
  }));
  const forgets = session && draw.chance(20) ? [topicName(draw, model)] : [];
  const request = {
    // Above and below what is waited for without a read before (unreadWaitMsMin).
    maxWaitMs: draw.pick([0, 0, 0, 0, 20, 60]),
    minBytes: draw.pick([0, 1, 1, 500]),
    maxBytes: draw.pick([0x7fff_ffff, 1_048_576, 300, 1_000, 0]),
    isolationLevel: draw.below(2),
    sessionId: session ? { ref: session.slot, otherwise: 12_345 } : draw.chance(97) ? 0 : 77,
    sessionEpoch: session
      ? session.epoch + (draw.chance(90) ? 0 : draw.pick([1, -1]))
      : isNew
        ? 0
        : draw.chance(97)
          ? -1
          : 3,
    topics,
    forgottenTopicsData: forgets.map((name) => ({
      topic: name,
      topicId: notZero(topicId(draw, model, name), true),
      partitions: [0],
    })),
  };
  const slot = session?.slot ?? (isNew ? `session ${model.sessionsMade++}` : undefined);
  return { ...ask(1, version, request), ...(slot === undefined ? {} : { keep: slot }) };
}

export function drawListOffsets(draw: Draw, model: Model): AskStep {
  const version = 1 + draw.below(11);
  const name = topicName(draw, model);
  const partitions = oddPartitions(draw, model.topic(name));
  return ask(2, version, {
    replicaId: -1,
    isolationLevel: draw.below(2),
    topics: [
      {
        name,
        partitions: partitions.map((partitionIndex) => ({
          partitionIndex,
          currentLeaderEpoch: draw.chance(85) ? -1 : draw.pick([0, 1, 9]),
          timestamp: drawTime(draw, model.topic(name)?.isCut ?? false),
        })),
      },
    ],
    timeoutMs: 1_000,
  });
}

/** The latest of all (-3) is not asked of a topic without its first records: Kafka looks at those too. */
function drawTime(draw: Draw, isCut: boolean): unknown {
  const within = { ref: startTime, otherwise: 0, plus: draw.below(1_100) };
  const time = draw.pick<unknown>([-1, -1, -2, -2, -3, -4, -5, -6, -7, 0, within]);
  return time === -3 && isCut ? -1 : time;
}

export function drawDeleteRecords(draw: Draw, model: Model): AskStep {
  const name = topicName(draw, model);
  const partitions = [
    { partitionIndex: oddPartition(draw, model.topic(name)), offset: draw.pick([-1, 0, 1, 2, 3, 5, 1_000, -2]) },
  ];
  return ask(21, draw.below(3), { topics: [{ name, partitions }], timeoutMs: 5_000 });
}

export function drawOffsetForLeaderEpoch(draw: Draw, model: Model): AskStep {
  const topic = topicName(draw, model);
  const partition = oddPartition(draw, model.topic(topic));
  const partitions = [
    { partition, currentLeaderEpoch: draw.pick([-1, -1, 0, 3]), leaderEpoch: draw.pick([0, 0, 1, -1, 5]) },
  ];
  return ask(23, 2 + draw.below(3), { replicaId: -1, topics: [{ topic, partitions }] });
}

export function drawInitProducerId(draw: Draw, model: Model): AskStep {
  const version = draw.below(6);
  const isOdd = version >= 3 && draw.chance(15);
  const request = {
    transactionalId: draw.chance(92) ? null : draw.pick(['', '§tx']),
    transactionTimeoutMs: draw.pick([60_000, 0, -1]),
    producerId: isOdd ? 5 : -1,
    producerEpoch: isOdd ? draw.pick([-1, 0, 3]) : -1,
  };
  const step = ask(22, version, request);
  return request.transactionalId ? step : { ...step, keep: `producer ${model.producers.length}` };
}
