/**
 * Limits and waits of the group coordinator, with Apache Kafka's defaults unless a line says why not. Names end in their
 * unit and bound.
 */
export interface GroupSettings {
  /** group.min.session.timeout.ms and group.max.session.timeout.ms: outside is INVALID_SESSION_TIMEOUT. */
  readonly sessionTimeoutMsMin: number;
  readonly sessionTimeoutMsMax: number;
  /** group.initial.rebalance.delay.ms: how long the first member of an empty group waits for company. */
  readonly initialRebalanceDelayMs: number;
  /** A member whose first join is parked longer is dropped: its client is gone, since it cannot heartbeat yet. */
  readonly newMemberJoinMsMax: number;
  /** group.max.size: members of one group; the next is refused with GROUP_MAX_SIZE_REACHED. */
  readonly membersMax: number;
  /** Member ids handed out per group and not joined with yet; beyond it clients are told to come back. */
  readonly pendingMembersMax: number;
  /** Assignment strategies of one member: all are looked through at every join. More is INCONSISTENT_GROUP_PROTOCOL. */
  readonly protocolsPerMemberMax: number;
  /** Groups of one coordinator partition; the next is refused with GROUP_MAX_SIZE_REACHED. */
  readonly groupsMax: number;
  /** What the members of all groups of one coordinator said of themselves, and their assignments, as they are held in memory. */
  readonly membersBytesMax: number;
  /** offset.metadata.max.bytes. Kafka counts UTF-16 units here, and so do we. */
  readonly offsetMetadataCharsMax: number;
  /** What the committed offsets of all groups of one coordinator hold in memory; more is INVALID_COMMIT_OFFSET_SIZE. */
  readonly offsetsBytesMax: number;
  /** offsets.retention.minutes, in milliseconds. */
  readonly offsetsRetentionMs: number;
  /** offsets.retention.check.interval.ms. */
  readonly retentionCheckIntervalMs: number;
  /** Groups looked at per event-loop turn while expiring. */
  readonly retentionGroupsPerTurn: number;
  /** One record of the coordinator's log: a group's members with their metadata and assignments. */
  readonly recordBytesMax: number;
  /** One append to the coordinator's log holds at most this much, or one record. */
  readonly appendBytesMax: number;
  /** Records that wait for the append in flight; beyond it requests are told to come back. */
  readonly writeQueueBytesMax: number;
  /** Growth of the log after which the live state is written again and the log before it is dropped. */
  readonly checkpointBytes: number;
}

export const defaultGroupSettings: GroupSettings = {
  sessionTimeoutMsMin: 6_000,
  sessionTimeoutMsMax: 1_800_000,
  // Kafka waits 3 s, meant for fleets that are deployed at once. A serverless client mostly starts alone, and then pays
  // the whole delay before its first record; who comes later costs one more rebalance, which takes a round trip.
  initialRebalanceDelayMs: 250,
  newMemberJoinMsMax: 300_000,
  // Kafka has no limit. The leader gets all members' metadata in one response, so there must be one.
  membersMax: 1_000,
  pendingMembersMax: 1_000,
  // Kafka has no limit; clients have one to five.
  protocolsPerMemberMax: 100,
  groupsMax: 10_000,
  // Kafka has no limit here either: a cluster is one tenant's there, and its brokers hold nobody else's.
  membersBytesMax: 128 * 1024 * 1024,
  offsetMetadataCharsMax: 4_096,
  // Some 400,000 without metadata; of a cluster's groups a coordinator has an eighth.
  offsetsBytesMax: 64 * 1024 * 1024,
  offsetsRetentionMs: 7 * 86_400_000,
  retentionCheckIntervalMs: 600_000,
  retentionGroupsPerTurn: 200,
  recordBytesMax: 8 * 1024 * 1024,
  appendBytesMax: 512 * 1024,
  writeQueueBytesMax: 64 * 1024 * 1024,
  // Whoever takes the log over reads it before it answers, at some 5 us for a commit that lies in a batch of its own: 10,000
  // commits are 50 ms. The state is written again once for as much of its own size at most.
  checkpointBytes: 512 * 1024,
};
