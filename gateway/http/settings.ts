/** Limits of the HTTP and WebSocket doors beyond those of gateway/settings.ts, each with its unit. */
export interface HttpDoorSettings {
  /** Lines of an NDJSON body that are parsed and not yet answered. */
  readonly linesInFlightMax: number;
  readonly lineBytesInFlightMax: number;
  /** Largest Next-Cursor header; a longer cursor (over many partitions) travels in JSON bodies only. */
  readonly cursorHeaderBytesMax: number;
  readonly eventStreamHeartbeatMs: number;
  /** An event stream is ended after this long plus up to a tenth, so that load moves; clients resume by Last-Event-ID. */
  readonly eventStreamMs: number;
  readonly eventStreamRetryMs: number;
  readonly ticketMs: number;
  readonly ticketsUsedMax: number;
  /** HS256 secret of WebSocket tickets. Absent: generated at start, so a ticket is valid in this process only. */
  readonly ticketSecret?: Uint8Array;
  readonly websocketMessageBytesMax: number;
}

export const httpDoorDefaults: HttpDoorSettings = {
  linesInFlightMax: 10_000,
  lineBytesInFlightMax: 4 * 1024 * 1024,
  cursorHeaderBytesMax: 8 * 1024,
  eventStreamHeartbeatMs: 15_000,
  eventStreamMs: 600_000,
  eventStreamRetryMs: 2_000,
  ticketMs: 30_000,
  ticketsUsedMax: 100_000,
  websocketMessageBytesMax: 1024 * 1024,
};
