/** Limits of the doors, each with its unit; docs/configuration.md lists those that `headgate serve` can set. */
export interface GatewaySettings {
  /** How long a request may wait for quota before a door refuses it instead (HTTP 429); Kafka clients are muted. */
  readonly quotaWaitMsMax: number;
  /** Records in one HTTP or WebSocket produce request. */
  readonly produceRecordsMax: number;
  /** Body of one HTTP produce request. */
  readonly produceBytesMax: number;
  /** Bodies and WebSocket messages that are not answered yet, over all connections. */
  readonly requestBytesHeldMax: number;
  /** A batch built from several requests' records is closed at this size. */
  readonly batchBytesMax: number;
  /** Batches of one partition in flight at once: as many as the broker's duplicate window can recognise. */
  readonly batchesInFlightMax: number;
  /** Records that wait for a batch of one partition to return, before requests are refused as overloaded. */
  readonly batchBacklogBytesMax: number;
  /** Partitions whose producer state is remembered between requests. */
  readonly producerLinesMax: number;
  readonly produceTimeoutMs: number;
  /** Longest wait of a long poll over any door. */
  readonly fetchWaitMsMax: number;
  readonly fetchRecordsMax: number;
  readonly fetchBytesMax: number;
  /** Partitions that event streams and WebSocket subscriptions read, over all connections: about a kilobyte each. */
  readonly subscribedPartitionsMax: number;
  /** How long the work of one cluster may hold a turn of the event loop (fair-turns.ts). */
  readonly clusterTurnMsMax: number;
  /** The address announced to Kafka clients, for all virtual brokers. */
  readonly advertisedHost: string;
  readonly advertisedPort: number;
}

export const gatewayDefaults: GatewaySettings = {
  quotaWaitMsMax: 1_000,
  produceRecordsMax: 10_000,
  produceBytesMax: 8 * 1024 * 1024,
  requestBytesHeldMax: 256 * 1024 * 1024,
  batchBytesMax: 512 * 1024,
  batchesInFlightMax: 4,
  batchBacklogBytesMax: 32 * 1024 * 1024,
  producerLinesMax: 20_000,
  produceTimeoutMs: 30_000,
  fetchWaitMsMax: 30_000,
  fetchRecordsMax: 10_000,
  fetchBytesMax: 8 * 1024 * 1024,
  subscribedPartitionsMax: 1_000_000,
  clusterTurnMsMax: 4,
  advertisedHost: '127.0.0.1',
  advertisedPort: 9092,
};
