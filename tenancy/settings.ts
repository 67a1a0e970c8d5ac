import { defaultProfile } from './quota/limits.ts';

/** Limits of tenancy itself, each with its unit; quota/limits.ts has the limits of a cluster. */
export interface TenancySettings {
  /** Quota profile of clusters that are created without one; see quota/limits.ts. */
  readonly profile: string;
  /** How many verified API keys are remembered, so that the hot path is one lookup. */
  readonly verifiedKeysMax: number;
  /** Keys per cluster. */
  readonly keysPerClusterMax: number;
  /** Partitions of one cluster whose own rate is tracked at once; those silent for longest are forgotten first. */
  readonly partitionBucketsMax: number;
  /** How often usage counters are made durable. A crash can lose this much. */
  readonly usageFlushMs: number;
  /** How long a change waits for an unreachable store before it fails. */
  readonly storeWaitMsMax: number;
  /** How often deletion looks again for topics that were being created when it began. */
  readonly deleteRoundsMax: number;
  readonly deleteRoundMs: number;
}

export const tenancyDefaults: TenancySettings = {
  profile: defaultProfile,
  verifiedKeysMax: 10_000,
  keysPerClusterMax: 1_000,
  partitionBucketsMax: 4_096,
  usageFlushMs: 60_000,
  storeWaitMsMax: 10_000,
  deleteRoundsMax: 20,
  deleteRoundMs: 250,
};
