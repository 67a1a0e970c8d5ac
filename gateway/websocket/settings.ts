/** Limits of one WebSocket, each with its unit. */
export interface WebSocketSettings {
  readonly subscriptionsMax: number;
  /** Produce commands that are not answered yet, in number and in bytes of messages. */
  readonly producesInFlightMax: number;
  readonly produceBytesInFlightMax: number;
  /** Subscriptions wait once this much is on its way to the client. */
  readonly outboxBytesResume: number;
  /** A client that goes on asking and does not read the answers is closed here. */
  readonly outboxBytesMax: number;
  /** A batch event ends with the record that passes this. */
  readonly frameLengthTarget: number;
  /** Upper end of the pause that goaway suggests, so that clients do not all come back at once. */
  readonly reconnectAfterMsMax: number;
}

export const websocketDefaults: WebSocketSettings = {
  subscriptionsMax: 100,
  producesInFlightMax: 1_000,
  produceBytesInFlightMax: 8 * 1024 * 1024,
  outboxBytesResume: 256 * 1024,
  outboxBytesMax: 16 * 1024 * 1024,
  frameLengthTarget: 128 * 1024,
  reconnectAfterMsMax: 5_000,
};
