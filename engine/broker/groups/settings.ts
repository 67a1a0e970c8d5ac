/**
 * Limits and waits of the group coordinator, with Apache Kafka's defaults unless a comment says why not. Names end in
 * their unit and bound.
 */
export interface GroupSettings {
  /** group.min.session.timeout.ms and group.max.session.timeout.ms: outside is INVALID_SESSION_TIMEOUT. */
  readonly sessionTimeoutMsMin: number;
  readonly sessionTimeoutMsMax: number;
  /** group.initial.rebalance.delay.ms: how long the first member of an empty group waits for others. */
  readonly initialRebalanceDelayMs: number;
  /** A member whose first join is parked longer is dropped: it cannot heartbeat yet, so its client counts as gone. */
  readonly newMemberJoinMsMax: number;
  /** group.max.size: members of one group; the next is refused with GROUP_MAX_SIZE_REACHED. */
  readonly membersMax: number;
  /** Member ids per group that were handed out and have not joined. Beyond this, clients are told to come back. */
  readonly pendingMembersMax: number;
  /** Assignment strategies of one member: every join checks all of them. More is INCONSISTENT_GROUP_PROTOCOL. */
  readonly protocolsPerMemberMax: number;
  /** Groups of one coordinator partition; the next is refused with GROUP_MAX_SIZE_REACHED. */
  readonly groupsMax: number;
  /** Memory for what the members of all groups of one coordinator sent about themselves, and for their assignments. */
  readonly membersBytesMax: number;
  /** offset.metadata.max.bytes. Kafka counts UTF-16 units here, and so do we. */
  readonly offsetMetadataCharsMax: number;
  /** Memory for the committed offsets of all groups of one coordinator. More is INVALID_COMMIT_OFFSET_SIZE. */
  readonly offsetsBytesMax: number;
  /** offsets.retention.minutes, in milliseconds. */
  readonly offsetsRetentionMs: number;
  /** offsets.retention.check.interval.ms. */
  readonly retentionCheckIntervalMs: number;
  /** Groups checked per event-loop turn during expiry. */
  readonly retentionGroupsPerTurn: number;
  /** One record of the coordinator's log: a group's members with their metadata and assignments. */
  readonly recordBytesMax: number;
  /** One append to the coordinator's log holds at most this much, or one record. */
  readonly appendBytesMax: number;
  /** Records waiting for the append in flight. Beyond this, requests are told to come back. */
  readonly writeQueueBytesMax: number;
  /** Growth of the log after which the live state is rewritten and the log before it dropped. */
  readonly checkpointBytes: number;
}

export const defaultGroupSettings: GroupSettings = {
  sessionTimeoutMsMin: 6_000,
  sessionTimeoutMsMax: 1_800_000,
  // Kafka waits 3 s, meant for fleets that are deployed at once. A serverless client mostly starts alone, and would pay
  // the whole delay before its first record. A later client costs one more rebalance, which takes a round trip.
  initialRebalanceDelayMs: 250,
  newMemberJoinMsMax: 300_000,
  // Kafka has no limit. We need one, because the leader gets all members' metadata in one response.
  membersMax: 1_000,
  pendingMembersMax: 1_000,
  // Kafka has no limit; clients have one to five.
  protocolsPerMemberMax: 100,
  groupsMax: 10_000,
  // Kafka has no limit here either: there, a cluster belongs to one tenant, and its brokers hold nobody else's data.
  membersBytesMax: 128 * 1024 * 1024,
  offsetMetadataCharsMax: 4_096,
  // Some 400,000 offsets without metadata. A coordinator has an eighth of a cluster's groups.
  offsetsBytesMax: 64 * 1024 * 1024,
  offsetsRetentionMs: 7 * 86_400_000,
  retentionCheckIntervalMs: 600_000,
  retentionGroupsPerTurn: 200,
  recordBytesMax: 8 * 1024 * 1024,
  appendBytesMax: 512 * 1024,
  writeQueueBytesMax: 64 * 1024 * 1024,
  // A new owner reads the log before it answers, at some 5 us for a commit that lies in a batch of its own: 10,000
  // commits are 50 ms. The state is rewritten at most once each time the log grows by the state's own size.
  checkpointBytes: 512 * 1024,
};
