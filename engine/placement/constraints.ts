/**
 * What a planner sees, and what no plan may break. Hard: a target serves, is not draining, its zone is not evacuated, it
 * holds fewer partitions than its cap. Soft, weighed by the planners: even load, and a topic spread over zones.
 */
export interface PlanBroker {
  readonly brokerId: number;
  readonly zone: string;
  readonly serving: boolean;
  readonly draining: boolean;
  readonly zoneEvacuated: boolean;
  /** Memory of a broker bounds how many logs it opens. */
  readonly partitionsMax: number;
}

export interface PlanPartition {
  readonly topicId: string;
  readonly partition: number;
  /** The owner, -1 when there is none. */
  readonly brokerId: number;
  /** Any unit, the same for all; more than 0. */
  readonly load: number;
  /** Moved too lately to be moved for balance again. */
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

/** A broker while a plan is made: what it would hold after the moves so far. */
export interface Candidate {
  readonly broker: PlanBroker;
  load: number;
  partitions: number;
}

export function isEligible(broker: PlanBroker): boolean {
  return broker.serving && !broker.draining && !broker.zoneEvacuated;
}

export function mayTakeOneMore(candidate: Candidate): boolean {
  return isEligible(candidate.broker) && candidate.partitions < candidate.broker.partitionsMax;
}

/** All brokers by id with what they hold. Partitions of brokers that are not listed count for nobody. */
export function candidatesOf(
  brokers: readonly PlanBroker[],
  partitions: Iterable<PlanPartition>,
): Map<number, Candidate> {
  const sorted = [...brokers].sort((a, b) => a.brokerId - b.brokerId);
  const candidates = new Map(sorted.map((broker) => [broker.brokerId, { broker, load: 0, partitions: 0 }]));
  for (const partition of partitions) {
    const candidate = candidates.get(partition.brokerId);
    if (candidate) take(candidate, partition.load);
  }
  return candidates;
}

export function take(candidate: Candidate, load: number): void {
  candidate.load += load;
  candidate.partitions++;
}

export function give(candidate: Candidate, load: number): void {
  candidate.load -= load;
  candidate.partitions--;
}

/** Less load first, then fewer partitions, then the lower id: the same input gives the same plan everywhere. */
export function isColder(a: Candidate, b: Candidate): boolean {
  if (a.load !== b.load) return a.load < b.load;
  if (a.partitions !== b.partitions) return a.partitions < b.partitions;
  return a.broker.brokerId < b.broker.brokerId;
}
