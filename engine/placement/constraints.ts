/**
 * What a planner sees, and what no plan may break. Hard: a target serves, is not draining, is not in an evacuated zone,
 * and holds fewer partitions than its cap. Soft, weighed by the planners: even load, and a topic spread over zones.
 */
import { idleLoad, type Load, wholeBroker } from './load.ts';

export interface PlanBroker {
  readonly brokerId: number;
  readonly zone: string;
  readonly serving: boolean;
  readonly draining: boolean;
  readonly zoneEvacuated: boolean;
  /** A broker's memory bounds how many logs it opens. */
  readonly partitionsMax: number;
}

export interface PlanPartition {
  readonly topicId: string;
  readonly partition: number;
  /** The owner; -1 when there is none. */
  readonly brokerId: number;
  readonly load: Load;
  /** Moved too recently to be moved again for balance. */
  readonly cooling?: boolean;
}

export interface PlanMove {
  readonly topicId: string;
  readonly partition: number;
  /** -1 when it had no owner. */
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** A broker during planning: what it would hold after the moves so far. */
export interface Candidate {
  readonly broker: PlanBroker;
  /** Sums of what it holds, by dimension. */
  readonly load: [bytesIn: number, bytesOut: number, requests: number];
  partitions: number;
  /** Heat of its hottest dimension, in billionths of a broker. */
  heat: number;
}

export function isEligible(broker: PlanBroker): boolean {
  return broker.serving && !broker.draining && !broker.zoneEvacuated;
}

export function mayTakeOneMore(candidate: Candidate): boolean {
  return isEligible(candidate.broker) && candidate.partitions < candidate.broker.partitionsMax;
}

/** All brokers by id, with what they hold. Partitions of unlisted brokers are not counted. */
export function candidatesOf(
  brokers: readonly PlanBroker[],
  partitions: Iterable<PlanPartition>,
): Map<number, Candidate> {
  const sorted = [...brokers].sort((a, b) => a.brokerId - b.brokerId);
  const candidates = new Map<number, Candidate>(
    sorted.map((broker) => [broker.brokerId, { broker, load: [0, 0, 0], partitions: 0, heat: 0 }]),
  );
  for (const partition of partitions) {
    const candidate = candidates.get(partition.brokerId);
    if (candidate) take(candidate, partition.load);
  }
  return candidates;
}

export function take(candidate: Candidate, load: Load): void {
  change(candidate, load, 1);
}

/** Like `take`, for the `index`th load of a flat array. */
export function takeAt(candidate: Candidate, loads: Float64Array, index: number): void {
  const { load, broker } = candidate;
  load[0] += loads[index * 3]!;
  load[1] += loads[index * 3 + 1]!;
  load[2] += loads[index * 3 + 2]!;
  candidate.partitions++;
  candidate.heat = Math.max(load[0], load[1], load[2], countShare(broker, candidate.partitions));
}

/** Adds the load of partitions that are already counted. */
export function carry(candidate: Candidate, load: Load): void {
  for (let d = 0; d < 3; d++) candidate.load[d]! += load[d]!;
  candidate.heat = heatWith(candidate, idleLoad, 0);
}

export function give(candidate: Candidate, load: Load): void {
  change(candidate, load, -1);
}

/** How hot the broker would be with one partition more (`sign` 1) or less (-1), or is now (0). */
export function heatWith({ broker, load, partitions }: Candidate, more: Load, sign: 1 | 0 | -1): number {
  return Math.max(
    load[0] + sign * more[0],
    load[1] + sign * more[1],
    load[2] + sign * more[2],
    countShare(broker, partitions + sign),
  );
}

/** The number of logs as a share of the broker's room for them. */
export function countShare(broker: PlanBroker, partitions: number): number {
  return (partitions * wholeBroker) / Math.max(1, broker.partitionsMax);
}

/** Less heat first, then fewer partitions, then the lower id, so the same input gives the same plan everywhere. */
export function isColder(a: Candidate, b: Candidate): boolean {
  if (a.heat !== b.heat) return a.heat < b.heat;
  if (a.partitions !== b.partitions) return a.partitions < b.partitions;
  return a.broker.brokerId < b.broker.brokerId;
}

/**
 * How hot each of these would be if all were equal, by dimension (bytes in, bytes out, requests, partitions). A perfect
 * plan reaches the hottest of the four.
 */
export function evenHeats(candidates: readonly Candidate[]): readonly number[] {
  const sums = [0, 0, 0];
  let partitions = 0;
  let room = 0;
  for (const candidate of candidates) {
    for (let d = 0; d < 3; d++) sums[d]! += candidate.load[d]!;
    partitions += candidate.partitions;
    room += Math.max(1, candidate.broker.partitionsMax);
  }
  const count = Math.max(1, candidates.length);
  return [...sums.map((sum) => sum / count), (partitions * wholeBroker) / Math.max(1, room)];
}

function change(candidate: Candidate, more: Load, sign: 1 | -1): void {
  candidate.heat = heatWith(candidate, more, sign);
  const { load } = candidate;
  load[0] += sign * more[0];
  load[1] += sign * more[1];
  load[2] += sign * more[2];
  candidate.partitions += sign;
}
