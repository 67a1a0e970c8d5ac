/**
 * The part of uWebSockets.js that we use, as types of our own: the package's declarations contain `any` and differ between
 * builds.
 */
export type UwsBytes = string | Uint8Array;
export type UwsListenSocket = object;
export type UwsUpgradeContext = object;

export interface UwsRequest {
  getUrl(): string;
  /** In lower case. */
  getMethod(): string;
  /** Undefined where there is no question mark. */
  getQuery(): string | undefined;
  forEach(visit: (name: string, value: string) => void): void;
}

/** Every call throws once the response is complete or aborted. */
export interface UwsResponse {
  pause(): unknown;
  resume(): unknown;
  writeStatus(status: string): unknown;
  writeHeader(name: string, value: string): unknown;
  write(chunk: UwsBytes): boolean;
  end(body?: UwsBytes, closeConnection?: boolean): unknown;
  endWithoutBody(): unknown;
  close(): unknown;
  onWritable(handler: (offset: number) => boolean): unknown;
  onAborted(handler: () => void): unknown;
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): unknown;
  /** 4 or 16 bytes. */
  getRemoteAddress(): ArrayBuffer;
  cork(fill: () => void): unknown;
  upgrade<T>(userData: T, key: string, protocol: string, extensions: string, context: UwsUpgradeContext): void;
}

export interface UwsWebSocket<T> {
  /** 1: sent, 0: buffered, 2: dropped. */
  send(message: UwsBytes, isBinary?: boolean, compress?: boolean): number;
  getBufferedAmount(): number;
  end(code?: number, reason?: string): void;
  close(): void;
  ping(): number;
  cork(fill: () => void): unknown;
  getUserData(): T;
}

export interface UwsBehavior<T> {
  maxPayloadLength: number;
  /** Seconds, a multiple of 4. */
  idleTimeout: number;
  maxBackpressure: number;
  sendPingsAutomatically: boolean;
  upgrade(response: UwsResponse, request: UwsRequest, context: UwsUpgradeContext): void;
  open(socket: UwsWebSocket<T>): void;
  message(socket: UwsWebSocket<T>, message: ArrayBuffer, isBinary: boolean): void;
  drain(socket: UwsWebSocket<T>): void;
  pong(socket: UwsWebSocket<T>): void;
  close(socket: UwsWebSocket<T>, code: number, message: ArrayBuffer): void;
}

export interface UwsApp {
  post(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): unknown;
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): unknown;
  ws<T>(pattern: string, behavior: UwsBehavior<T>): unknown;
  /** `count` is 1 for a new connection and -1 for an ended one. */
  filter(visit: (response: UwsResponse, count: number) => void): unknown;
  listen(host: string, port: number, options: number, done: (socket: UwsListenSocket | false) => void): unknown;
  close(): unknown;
}

export interface UwsModule {
  App(): UwsApp;
  SSLApp(options: { cert_file_name: string; key_file_name: string }): UwsApp;
  us_listen_socket_close(socket: UwsListenSocket): void;
  us_socket_local_port(socket: UwsListenSocket): number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}
