import { defaultProfile } from './quota/limits.ts';

/** Limits of tenancy itself, each with its unit; what a cluster may do is in quota/limits.ts. */
export interface TenancySettings {
  /** Quota profile of clusters that are created without one; see quota/limits.ts. */
  readonly profile: string;
  /** API keys whose last check is remembered, so that the hot path is one lookup. */
  readonly verifiedKeysMax: number;
  /** Keys of one cluster. */
  readonly keysPerClusterMax: number;
  /** Partitions of one cluster whose own rate is tracked at once; the longest silent ones are forgotten first. */
  readonly partitionBucketsMax: number;
  /** How often usage counters are made durable: what a crash can lose. */
  readonly usageFlushMs: number;
  /** How long a change waits for a store that is away, before it fails. */
  readonly storeWaitMsMax: number;
  /** How often deletion looks again for topics that were being made when it began. */
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
