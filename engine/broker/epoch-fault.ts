import type { PartitionLog } from '../log/log.ts';
import { errorCode } from '../protocol/error-codes.ts';

/**
 * KIP-320: a client with another leader epoch than ours is behind (FENCED, 74) or ahead (UNKNOWN, 75). -1 checks
 * nothing.
 */
export function epochFault(log: PartitionLog, currentLeaderEpoch: number): number {
  if (currentLeaderEpoch < 0 || currentLeaderEpoch === log.leaderEpoch) return errorCode.none;
  return currentLeaderEpoch < log.leaderEpoch ? errorCode.fencedLeaderEpoch : errorCode.unknownLeaderEpoch;
}
