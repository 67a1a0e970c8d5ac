/** Limits of the Kafka door, each with its unit. */
export interface KafkaDoorSettings {
  /** Largest request frame; checked before anything is allocated for it (Kafka's socket.request.max.bytes). */
  readonly requestBytesMax: number;
  /** Largest frame before authentication: nobody unknown makes us allocate more. */
  readonly unauthenticatedBytesMax: number;
  /** Requests of one connection that are handled at once; those behind them are not read from the socket. */
  readonly requestsInFlightMax: number;
  /** Bytes of request frames that one connection holds. One larger request is let through when it is alone. */
  readonly requestBytesInFlightMax: number;
  /** Request frames of all connections, large ones counted from their first bytes until they are answered. */
  readonly receiveBytesMax: number;
  /** Answers that a connection's peer has not taken; above it the next request waits. */
  readonly outboxBytesMax: number;
  /** Answers that the peers of all connections have not taken (outbox-budget.ts). */
  readonly outboxesBytesMax: number;
  readonly receiveBufferBytes: number;
  /** From accept to a finished SASL exchange. */
  readonly authenticationMsMax: number;
  /** Between a refused authentication and the end of its connection. */
  readonly refusedCloseDelayMs: number;
  /** How long the peer of a connection that is being closed may take for the answers that are queued for it. */
  readonly closeMsMax: number;
  /** Without requests, and with none under way. */
  readonly idleMsMax: number;
  /** Longest mute for one answer; what a quota is owed beyond it is asked for again by the next request. */
  readonly throttleMsMax: number;
  /** Connections of all tenants, authenticated or not. */
  readonly connectionsMax: number;
  /** How long one Metadata request is kept for the topics that it creates on the way, all of them together. */
  readonly autoCreateMsMax: number;
  /** Fetch sessions (KIP-227) of one connection, and partitions in one of them. */
  readonly fetchSessionsMax: number;
  readonly fetchSessionPartitionsMax: number;
  /** Partitions in the fetch sessions of all connections; beyond it clients are served without a session. */
  readonly rememberedPartitionsMax: number;
  /** Elements of requests of many that are not answered yet, over all connections, some 100 bytes each; beyond it they are refused. */
  readonly elementsHeldMax: number;
  /** Partitions that Fetch requests wait at, over all connections, less than a kilobyte each; beyond it they are answered at once. */
  readonly awaitedPartitionsMax: number;
}

export const kafkaDoorDefaults: KafkaDoorSettings = {
  requestBytesMax: 104_857_600,
  unauthenticatedBytesMax: 64 * 1024,
  requestsInFlightMax: 64,
  requestBytesInFlightMax: 32 * 1024 * 1024,
  receiveBytesMax: 512 * 1024 * 1024,
  outboxBytesMax: 8 * 1024 * 1024,
  outboxesBytesMax: 512 * 1024 * 1024,
  receiveBufferBytes: 256 * 1024,
  authenticationMsMax: 10_000,
  refusedCloseDelayMs: 100,
  closeMsMax: 10_000,
  idleMsMax: 600_000,
  throttleMsMax: 10_000,
  connectionsMax: 20_000,
  autoCreateMsMax: 5_000,
  fetchSessionsMax: 4,
  fetchSessionPartitionsMax: 20_000,
  rememberedPartitionsMax: 500_000,
  elementsHeldMax: 2_000_000,
  awaitedPartitionsMax: 1_000_000,
};
