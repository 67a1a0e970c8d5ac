/**
 * The HTTP and WebSocket transport as the doors see it: requests in, replies and frames out, nothing of Kafka or tenants.
 * Two drivers implement it, uWebSockets.js (server-uws.ts) and node:http with ws (server-node.ts); one suite holds them to
 * the same behaviour (server.suite.ts). The port is callbacks, not Request and Response objects: building those costs more
 * than a whole produce request.
 *
 * Life of an exchange:
 *
 *   handler(exchange) -> [readBody | streamBody] -> reply | startStream ... end        any -> aborted (client went away)
 *
 * Every method of an exchange may be called in any later turn. After an abort every call is a no-op, so that a reply
 * decided at the end of a turn needs no check. Body callbacks run after the handler has returned; when a later turn asks
 * for the body, they may run within that call.
 *
 * Pipelined requests are served while replies come within the turn of their request; uWebSockets.js cuts a connection that
 * sends the next request before a later-turn reply. No client in use pipelines.
 */
import type { Entrance } from '../../entrance.ts';
import type { TlsSource } from '../../tls-files.ts';
import type { BodyMemory } from '../body-memory.ts';

/** Name and value pairs, in order. Values are visible ASCII, blank or tab (RFC 9110 §5.5). Keep constant lists constant. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** What a handler can read of a request, at any time: the drivers copy it out of the connection before the handler runs. */
export interface RequestHead {
  /** Upper case. */
  readonly method: string;
  /** As sent, still percent-encoded, without the query. */
  readonly path: string;
  /** As sent, without '?'; empty when there is none. */
  readonly queryString: string;
  /** Parsed on first use; malformed escapes stay as they are (URLSearchParams). */
  query(): URLSearchParams;
  /** `name` in lower case. The first one when the header is repeated; undefined when absent. */
  header(name: string): string | undefined;
  /** All headers in order, names in lower case. */
  eachHeader(visit: (name: string, value: string) => void): void;
  /** Address of the connection's other end, e.g. '127.0.0.1' or '2001:db8::1'. Empty once the connection is gone. */
  remoteAddress(): string;
}

export interface HttpExchange extends RequestHead {
  /**
   * Called when the caller is authenticated, before the body is read. From then on the body uses its cluster's share of the
   * memory for bodies, and the connection is no longer ended to make room for others.
   */
  knownAs(clusterId: string): void;
  /** The cluster given to knownAs; empty before. */
  readonly clusterId: string;
  /** Reports that the decompressed body has this many bytes. */
  cameTo(bytes: number): void;
  /** The body's size as announced, received or decompressed: the largest of these so far. */
  readonly bodyBytes: number;
  /** Percent-decoded path parameter of the matched route. Throws InvalidRequest (field = name) on malformed escapes. */
  param(name: string): string;
  /** In the fallback handler: methods that routes of this path accept (for 405 and Allow); empty when the path is unknown. */
  readonly allowedMethods: readonly string[];
  /** The client has gone; replies go nowhere. */
  readonly aborted: boolean;
  /** Runs once when the client goes away before the reply is complete; at once when it already has. */
  onAborted(run: () => void): void;

  /**
   * Collects the whole body, at most `limitBytes`. Exactly one of the callbacks runs, unless the client aborts. The
   * buffer belongs to the handler. After `onTooLarge` the rest of the body is discarded; reply 413 as usual.
   * May be called in a later turn: until then the client is held back.
   */
  readBody(limitBytes: number, onBody: (body: Buffer) => void, onTooLarge: () => void): void;
  /**
   * Like readBody, for a handler that is done with the bytes when `onBody` returns: a body that came in one piece is lent
   * from the receive buffer, uncopied, and changes afterwards.
   */
  lendBody(limitBytes: number, onBody: (body: Uint8Array) => void, onTooLarge: () => void): void;
  /**
   * Hands over the body piece by piece; each buffer belongs to the handler. After `pause`, pieces that were received
   * already (at most 512 KiB) may still come. The total is not limited.
   */
  streamBody(onChunk: (chunk: Buffer) => void, onEnd: () => void): BodyFlow;

  /**
   * Sends the whole reply in one write and adds content-length. With an `undefined` body, 204 and 304 get no content-length
   * and other statuses an empty body. For HEAD the body's length is announced and the body left out.
   * body otherwise. For HEAD the body's length is announced and the body left out.
   */
  reply(status: number, headers: HeaderList, body?: string | Uint8Array): void;
  /** Starts a reply of unknown length (chunked). Status and headers leave at once. */
  startStream(status: number, headers: HeaderList): ReplyStream;
}

export interface BodyFlow {
  pause(): void;
  resume(): void;
}

export interface ReplyStream {
  /**
   * False: the client reads slower than we write; wait for `onDrain` with the rest. The chunk itself is always taken.
   * When more is written meanwhile, beyond streamBufferedBytesMax the connection is cut (the writer ignored us).
   */
  write(chunk: string | Uint8Array): boolean;
  /** Replaces the callback that runs each time the buffer has emptied after a false `write`. */
  onDrain(run: () => void): void;
  end(): void;
}

/** A throw or rejection becomes a reply through ServerDoors.failed. */
export type HttpHandler = (exchange: HttpExchange) => void | Promise<void>;

export interface Route {
  /** Upper case. GET serves HEAD too, unless the path has its own HEAD route. */
  readonly method: string;
  /**
   * '/v1/topics/{topic}/records': literals win over parameters. A parameter takes one non-empty segment, with an optional
   * literal ending ('/v1/groups/{group}:poll'). A last segment '*' takes the rest, raw, as param('*'). The pattern '*'
   * is the method's last resort for every path (OPTIONS).
   */
  readonly pattern: string;
  readonly handler: HttpHandler;
}

/** What a server serves: routes, and sessions for WebSockets. */
export interface ServerDoors {
  readonly routes: readonly Route[];
  /** Takes requests that match no route: unknown paths and methods. */
  readonly fallback: HttpHandler;
  /**
   * A handler threw or rejected before it started a reply: reply here. Default: 500 as application/problem+json. Also told
   * of errors of WebSocket sessions, without an exchange; the socket is then closed with 1011.
   */
  readonly failed?: (error: unknown, exchange: HttpExchange | undefined) => void;
  /** The memory that bodies which come in several pieces may take together. Absent: only each body's own limit holds. */
  readonly bodyMemory?: BodyMemory;
  /**
   * Each connection takes room here while it lasts. When there is none, node:http ends a connection whose caller is not
   * known yet; uWebSockets.js cannot tell its connections apart and closes the new one. Absent: no limit.
   */
  readonly entrance?: Entrance;
  /** A reply begins, `tookMs` after the head of its request was there; no route: the path is unknown. */
  readonly replied?: (status: number, route: Route | undefined, tookMs: number) => void;
  /** Absent: upgrade requests are ordinary GETs. */
  readonly upgrade?: (request: UpgradeRequest) => UpgradeAnswer | Promise<UpgradeAnswer>;
}

// --- WebSocket ---

export interface UpgradeRequest extends RequestHead {
  /** Sec-WebSocket-Protocol, split, in the client's order. */
  readonly protocols: readonly string[];
  readonly origin: string | undefined;
}

export type UpgradeAnswer =
  | { readonly accept: WebSocketSession /** One of the client's. */; readonly protocol?: string }
  | { readonly refuse: number; readonly headers: HeaderList; readonly body?: string | Uint8Array };

/** One per connection, made by the upgrade hook; the driver calls it. */
export interface WebSocketSession {
  opened(peer: WebSocketPeer): void;
  /** The buffer belongs to the session. Text arrives as its UTF-8 bytes, already validated. */
  message(data: Buffer, isBinary: boolean): void;
  /** Everything buffered has left for the kernel after a 'buffered' send. */
  drained(): void;
  ponged(): void;
  /**
   * Exactly once, whoever closed, also from inside peer.close(). 1005: no code given, 1006: connection lost or
   * terminated. Nothing is called afterwards, and calls on the peer are no-ops.
   */
  closed(code: number, reason: string): void;
}

export interface WebSocketPeer {
  /**
   * 'buffered': taken, but the client is slow: stop and go on at `drained`. 'dropped': the peer is closed, or this
   * frame would exceed websocketBufferedBytesMax, which terminates the connection (a writer that ignores 'buffered').
   * Outside `cork` each call is a system call. `data` must not change afterwards: node:http sends it from where it is.
   */
  send(data: string | Uint8Array, binary: boolean): 'sent' | 'buffered' | 'dropped';
  /** Frames sent inside leave in one write. */
  cork(fill: () => void): void;
  bufferedBytes(): number;
  ping(): void;
  /** Sends a close frame; `closed` runs inside. Reason: at most 123 bytes of UTF-8. */
  close(code: number, reason: string): void;
  /** Cuts the connection without a close frame. */
  terminate(): void;
  readonly remoteAddress: string;
}

// --- The server ---

export interface ServerSettings {
  /**
   * Request line and headers together; more is answered 431. The first uWS server of a process fixes it for all. Beyond
   * 100 headers node:http answers 431 too, and uWS lets the connection idle out.
   */
  readonly headerBytesMax: number;
  /**
   * Closes connections without a request, with a stalled body, or with a stalled reader of a reply, after this long.
   * uWebSockets.js has 10 s built in and ignores it.
   */
  readonly idleTimeoutMs: number;
  /** Unread body bytes discarded for the sake of an undisturbed early reply; beyond it the connection is closed. */
  readonly discardBytesMax: number;
  /** Kill switch of a ReplyStream. */
  readonly streamBufferedBytesMax: number;
  /** Larger messages close the connection with 1009. */
  readonly websocketPayloadBytesMax: number;
  /** Kill switch of WebSocketPeer.send; stop far below (256 KiB is plenty). */
  readonly websocketBufferedBytesMax: number;
  /** Connections that answer no ping for this long are cut. 8 s to 960 s, a multiple of 4 s. Pings are automatic. */
  readonly websocketIdleMs: number;
  readonly tls?: TlsSource;
}

/** How long a client that goes on to send a body that nobody wants has for reading so, before its connection is closed. */
export const lingerMs = 2_000;

export const serverDefaults: ServerSettings = {
  headerBytesMax: 32 * 1024,
  idleTimeoutMs: 10_000,
  discardBytesMax: 8 * 1024 * 1024,
  streamBufferedBytesMax: 16 * 1024 * 1024,
  websocketPayloadBytesMax: 1024 * 1024,
  websocketBufferedBytesMax: 8 * 1024 * 1024,
  websocketIdleMs: 60_000,
};

export interface DataServer {
  /** Which driver this is, for the log. */
  readonly driver: 'uws' | 'node';
  /**
   * Resolves to the port (0 picks a free one). Rejects when the address is taken. Without `exclusive`, uWS shares the
   * port with other processes (SO_REUSEPORT); node:http cannot share and is always exclusive.
   */
  listen(host: string, port: number, options: { readonly exclusive: boolean }): Promise<number>;
  /** Stops accepting. Open exchanges finish and their connections close; the doors end their WebSockets. */
  close(): void;
  /** Cuts whatever is left. */
  closeAll(): Promise<void>;
}
