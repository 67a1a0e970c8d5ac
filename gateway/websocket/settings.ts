/** Limits of one WebSocket, each with its unit. */
export interface WebSocketSettings {
  readonly subscriptionsMax: number;
  /** Messages that wait for their cluster's share of a turn. */
  readonly messagesWaitingMax: number;
  /** Produce commands that are not answered yet, by number and by message bytes. */
  readonly producesInFlightMax: number;
  readonly produceBytesInFlightMax: number;
  /** Subscriptions wait once this many bytes are on their way to the client. */
  readonly outboxBytesResume: number;
  /** A client that keeps sending commands and does not read the answers is closed at this many bytes. */
  readonly outboxBytesMax: number;
  /** A batch event ends with the record that exceeds this size. */
  readonly frameLengthTarget: number;
  /** Upper end of the pause that goaway suggests, so that clients do not all reconnect at once. */
  readonly reconnectAfterMsMax: number;
}

export const websocketDefaults: WebSocketSettings = {
  subscriptionsMax: 100,
  messagesWaitingMax: 1_000,
  producesInFlightMax: 1_000,
  produceBytesInFlightMax: 8 * 1024 * 1024,
  outboxBytesResume: 256 * 1024,
  outboxBytesMax: 16 * 1024 * 1024,
  frameLengthTarget: 128 * 1024,
  reconnectAfterMsMax: 5_000,
};
