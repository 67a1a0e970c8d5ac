/** What the comparison blanks everywhere (normalise.ts), and what the generator leaves out, with reasons. */
export const everywhere: readonly string[] = [
  'Hosts, ports, node ids, racks and ids of clusters: virtual brokers of a tenant against one real broker.',
  'Made-up values (topic ids, member ids, producer ids, ids of fetch sessions) are compared by the step that got them.',
  'Texts of errors and the documentation of configs: for people. Codes are compared.',
  'Throttle times, and the time of an append (LogAppendTime).',
  'The order of lists: Kafka keeps much in hash tables.',
  'A piece of a batch at the end of a Fetch answer: Kafka cuts its file at the limit, Headgate answers whole batches.',
];

export const undrawn: readonly string[] = [
  'What transactions do, quotas and SCRAM users, KIP-848, share and streams groups, and all else that Headgate does not offer.',
  'Replication factors 2 and 3, and replicas placed by hand on brokers 2 and 3: the test’s Kafka has one broker.',
  'Configs and configs’ values that Headgate refuses because it does not act on them, and configs of brokers.',
  'Batches that the broker compresses, for a topic with a compression.type: each library writes bytes of its own. Those that it decompresses are compared.',
  'When compaction removes older records of a key: Kafka promises no time, Headgate keeps all of them.',
  'How often a client hears of a group: where all virtual brokers have one address, which is the default, each tells ListGroups of all groups, and a client that asks every broker without merging what it hears (kafka-python 3 and librdkafka) lists a group three times. With `--kafka-broker-port` each has a port of its own and tells of the groups that it coordinates.',
  'Topics that a Metadata request creates: Kafka makes them later and answers LEADER_NOT_AVAILABLE first, Headgate answers with the topic.',
  'Fetch sessions after their connection has ended: Headgate keeps them with the connection, Kafka for a while longer.',
  'More than four fetch sessions at once on one connection, where Headgate ends the one that was used least recently: a client has one. Kafka has room for 1,000 on a broker.',
  'A topic id of zeroes in a fetch session, at which Kafka runs into an exception.',
  'Limits of bytes above 16 KiB that several partitions of a Fetch fill: Headgate reads their owners side by side, each for its part.',
  'Commits that are refused whole, because of their metadata, for a group that does not exist: Kafka has the group from then on, and does not list it, even with members, until something is written to the partition that it is kept in, of whatever group.',
  'The latest time (-3) in a log whose first records were deleted: Kafka also looks at those, as long as their file is there, and names an offset that nobody can read.',
  'The latest time (-3) in a log whose records all have times before 1970 or none (-1): Kafka names the first offset, Headgate -1.',
  'Times of records beyond 2^53 (INVALID_TIMESTAMP in Headgate), which Kafka stores where a topic allows them, and commits of offsets beyond 2^53, which end the connection.',
  'The same resource twice in AlterConfigs, to which Kafka gives no answer.',
  'What is no batch at all, or has a codec that its version of Produce does not know, beside good batches in one Produce: Kafka refuses all of them, Headgate that partition alone.',
  'Produce without a records field, which Kafka never answers, and a producer id with epoch -1, which it takes.',
  'How a connection authenticates: every connection of the test does so once, with SASL/PLAIN.',
  'Groups whose coordinator changes: a member id that was handed out and not joined with yet is forgotten, as by Kafka. Where an owner changed in Headgate during a run, the run is sent again.',
  'Answers that depend on time: expiry of sessions, retention, quotas, the time that a client gives a request (a request over it is answered alike, but less than a second counts as one in Headgate), and what a Fetch tells of a partition whose owner takes more than 100 ms when another has brought records, or 2 s (its end as it was last known, nothing in a fetch session, or NOT_LEADER_OR_FOLLOWER). Headgate counts the Fetches that it answers so (`headgate_late_fetches_total`): a run in which one was is sent again when a Fetch differs, and must not show it three times.',
];
