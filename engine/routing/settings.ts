/** Limits of the routing, each with its unit. */
import { type LinkSettings, linkDefaults } from '../link/link.ts';

export interface RoutingSettings {
  /** How long a request is held while its partition or coordinator has no owner that accepts it. */
  readonly holdMsMax: number;
  /** How long a topic may be missing from the catalogue: another gateway may have just created it. */
  readonly unknownTopicMsMax: number;
  /** Appends waiting to be sent, per partition and in all. */
  readonly heldBytesPerPartitionMax: number;
  readonly heldBytesMax: number;
  /** Bytes of records in one Produce frame. A single batch may be larger. */
  readonly produceBytesMax: number;
  /** How long to wait for a former owner's answer before cutting its link. */
  readonly staleFlightMsMax: number;
  /** Pause before asking an owner that refused again, when the catalogue still names it. Doubles up to the maximum. */
  readonly retryMs: number;
  readonly retryMsMax: number;
  /** How often held requests are checked. */
  readonly tickMs: number;

  /** Longest wait of one tail poll at a broker. Also the longest life of an abandoned poll. */
  readonly pollWaitMsMax: number;
  /** Bytes of records that one tail poll may return. */
  readonly pollBytesMax: number;
  readonly pollsMax: number;
  /** Bounds for poll results that nobody has taken yet: total bytes, and how long each stays valid. */
  readonly keptBytesMax: number;
  readonly keptMsMax: number;
  /** Bytes of records that one read at a broker may return for one reader. */
  readonly readBytesMax: number;
  /** How long a fetch that has data waits for other owners' answers. */
  readonly stragglerMsMax: number;
  /** A fetch with a shorter wait reads first, because a poll at the end of the log might not be answered in time. */
  readonly unreadWaitMsMin: number;

  readonly reconnectMs: number;
  readonly reconnectMsMax: number;
  readonly link: LinkSettings;
}

export const routingDefaults: RoutingSettings = {
  holdMsMax: 2000,
  unknownTopicMsMax: 500,
  heldBytesPerPartitionMax: 32 * 1024 * 1024,
  heldBytesMax: 256 * 1024 * 1024,
  produceBytesMax: 16 * 1024 * 1024,
  staleFlightMsMax: 500,
  retryMs: 20,
  retryMsMax: 250,
  tickMs: 25,
  pollWaitMsMax: 5000,
  pollBytesMax: 1024 * 1024,
  pollsMax: 50_000,
  keptBytesMax: 32 * 1024 * 1024,
  keptMsMax: 1000,
  readBytesMax: 16 * 1024 * 1024,
  stragglerMsMax: 100,
  unreadWaitMsMin: 50,
  reconnectMs: 10,
  reconnectMsMax: 60,
  link: linkDefaults,
};
