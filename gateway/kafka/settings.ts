/** Limits of the Kafka door, each with its unit. */
export interface KafkaDoorSettings {
  /** Largest request frame; checked before anything is allocated for it (Kafka's socket.request.max.bytes). */
  readonly requestBytesMax: number;
  /** Largest frame before authentication: an unknown client cannot make us allocate more. */
  readonly unauthenticatedBytesMax: number;
  /** Requests of one connection that run at once; later ones are not read from the socket. */
  readonly requestsInFlightMax: number;
  /** Bytes of request frames that one connection holds. A single larger request is admitted when it is alone. */
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
  /** How long the peer of a closing connection may take to read the answers queued for it. */
  readonly closeMsMax: number;
  /** How long a connection may have no requests, with none in flight. */
  readonly idleMsMax: number;
  /** Longest mute for one answer; a longer quota debt applies again at the next request. */
  readonly throttleMsMax: number;
  /** Connections of all tenants, authenticated or not. */
  readonly connectionsMax: number;
  /** How long one Metadata request is held for all the topics that it creates on the way, together. */
  readonly autoCreateMsMax: number;
  /** Fetch sessions (KIP-227) of one connection, and partitions in one of them. */
  readonly fetchSessionsMax: number;
  readonly fetchSessionPartitionsMax: number;
  /** Partitions in the fetch sessions of all connections; beyond it clients are served without a session. */
  readonly rememberedPartitionsMax: number;
  /** Elements of unanswered large requests, over all connections, some 100 bytes each; beyond it they are refused. */
  readonly elementsHeldMax: number;
  /**
   * Partitions at which Fetch requests wait, over all connections, less than a kilobyte each; beyond it they are answered
   * at once.
   */
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
