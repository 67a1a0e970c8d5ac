/** Fields that normalise.ts blanks in every answer, known differences that the generator never draws, and what else it leaves out. */
export const everywhere: readonly string[] = [
  'Hosts, ports, node ids, racks and cluster ids: a tenant sees virtual brokers, and the test’s Kafka has one real broker.',
  'Generated values (topic ids, member ids, producer ids, fetch session ids). The test compares which step created a value, not the value.',
  'Error texts and the documentation of configs, which are written for people. Error codes are compared.',
  'Throttle times, and append times (LogAppendTime).',
  'The order of lists: Kafka keeps many of them in hash tables.',
  'A partial batch at the end of a Fetch answer: Kafka cuts its file at the limit, Headgate returns whole batches.',
];

export const undrawnDifferences: readonly string[] = [
  '**Compaction.** Kafka removes the older records of a key at a time that it does not promise. Headgate keeps all of them.',
  '**Groups in ListGroups.** By default all virtual brokers have one address, so each lists all groups. A client that asks every broker and does not merge the answers (kafka-python 3, librdkafka) lists each group three times. With `--kafka-broker-port` each virtual broker has a port of its own and lists the groups that it coordinates.',
  '**Topics that a Metadata request creates.** Kafka creates them later and first answers LEADER_NOT_AVAILABLE. Headgate answers with the topic.',
  '**Fetch sessions after their connection has ended.** Headgate drops them with the connection. Kafka keeps them for a while.',
  '**More than four fetch sessions at once on one connection.** Headgate ends the least recently used one; real clients use one session per connection. Kafka has room for 1,000 per broker.',
  '**Byte limits above 16 KiB that several partitions of a Fetch fill.** Headgate asks the owners of the partitions in parallel, each for a share of the limit.',
  '**The first rebalance of a group.** Kafka waits 3 s for more members by default (`group.initial.rebalance.delay.ms`), Headgate 250 ms.',
  '**A commit for a group that does not exist, refused as a whole because of its metadata.** From then on Kafka has the group, but does not list it, even with members, until something is written for any group of the same __consumer_offsets partition.',
  '**The latest time (-3) in a log whose first records were deleted.** Kafka also considers the deleted records as long as their file exists, and may return an offset that no client can read.',
  '**Record times beyond 2^53.** Headgate answers INVALID_TIMESTAMP. So does Kafka by default for times in the future; it stores them if the topic allows more than an hour or has LogAppendTime, and it stores times so far before 1970.',
  '**Bytes that are not a batch, or a codec that the version of Produce does not know, beside good batches in one Produce.** Kafka refuses all batches. Headgate refuses that partition alone.',
  '**Produce with a null records field.** Kafka never answers it.',
  '**A producer id with epoch -1.** Kafka accepts it, Headgate refuses it.',
  '**A group, topic or partition named twice in OffsetFetch or DescribeGroups.** Kafka answers each mention, Headgate answers it once.',
  '**A config resource named twice in AlterConfigs.** Kafka does not answer.',
  '**A topic id of zeroes in a fetch session.** Kafka meets an exception.',
];

export const undrawn: readonly string[] = [
  'Session expiry and rebalance time-outs of groups: scripts compare them instead (`group-rules.ts`).',
  'Features that Headgate does not offer: transactions, quota and SCRAM administration, KIP-848, share and streams groups, and others.',
  'Replication factors 2 and 3, and manual replica assignments to brokers 2 and 3: the test’s Kafka has one broker.',
  'Broker configs, and configs and values that Headgate refuses because it does not act on them.',
  'Batches that the broker compresses for a topic with a compression.type: each library produces different bytes. Batches that the broker decompresses are compared.',
  'Authentication: every connection of the test authenticates once, with SASL/PLAIN.',
  'Groups while their coordinator changes: like Kafka, Headgate then forgets a member id that it has assigned and that has not joined yet. If an owner changed in Headgate during a run, the test repeats the run.',
  'Answers that depend on time: retention, quotas, and request timeouts (both answer a timed-out request alike, but Headgate treats a timeout below one second as one second).',
  'A Fetch that meets a slow owner: one that takes more than 100 ms while another partition has records, or more than 2 s. Headgate then answers for that partition with the last known end, with nothing (in a fetch session), or with NOT_LEADER_OR_FOLLOWER, and counts the answer in `headgate_late_fetches_total`. If a Fetch differs in a run with such an answer, the test repeats the run. It fails if this happens three times.',
];
