/** Limits of the routing, each with its unit. */
import { type LinkSettings, linkDefaults } from '../link/link.ts';

export interface RoutingSettings {
  /** How long a request is held while its partition or coordinator has no owner that takes it. */
  readonly holdMsMax: number;
  /** How long a topic may be missing from the catalogue: another gateway may have created it a moment ago. */
  readonly unknownTopicMsMax: number;
  /** Appends waiting to be sent, per partition and in all. */
  readonly heldBytesPerPartitionMax: number;
  readonly heldBytesMax: number;
  /** Records of one Produce frame; a single batch may be larger. */
  readonly produceBytesMax: number;
  /** How long an answer of a former owner is awaited before its link is cut. */
  readonly staleFlightMsMax: number;
  /** Pause before an owner that refused is asked again though the catalogue still names it; doubles to the maximum. */
  readonly retryMs: number;
  readonly retryMsMax: number;
  /** How often what is held is looked at. */
  readonly tickMs: number;

  /** Longest wait of one tail poll at a broker; also how long an abandoned poll can live. */
  readonly pollWaitMsMax: number;
  /** Records that one tail poll may bring. */
  readonly pollBytesMax: number;
  readonly pollsMax: number;
  /** Results of polls that nobody has taken yet: all of them, and how long each is good. */
  readonly keptBytesMax: number;
  readonly keptMsMax: number;
  /** Records that one read of a broker on behalf of one reader may bring. */
  readonly readBytesMax: number;
  /** How long data in hand waits for other owners' answers. */
  readonly stragglerMsMax: number;
  /** A fetch that waits for less reads first: a poll at the end of the log might not be answered in time. */
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
