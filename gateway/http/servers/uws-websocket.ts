/** WebSocket connections over uWebSockets.js. Calls on its closed sockets throw, so every call checks `#isOpen` first. */
import type { Clock } from '../../../engine/kernel/clock.ts';
import { ownBytes } from './body-collector.ts';
import { assertHeaders, byteLength, runSession, statusLine } from './dispatch.ts';
import { UpgradeSnapshot } from './request-snapshot.ts';
import type { UpgradeAnswer, WebSocketPeer, WebSocketSession } from './server.ts';
import type { UwsServing } from './uws-exchange.ts';
import { uwsAddress, uwsHeaders, uwsMethod } from './uws-request.ts';
import type { UwsBehavior, UwsRequest, UwsResponse, UwsUpgradeContext, UwsWebSocket } from './uws-types.ts';

/** The data that uWS keeps for each socket. */
export interface UwsConnection {
  readonly session: WebSocketSession;
  readonly remoteAddress: string;
  peer: UwsPeer | undefined;
}

class UwsPeer implements WebSocketPeer {
  readonly remoteAddress: string;
  readonly #socket: UwsWebSocket<UwsConnection>;
  readonly #bufferedBytesMax: number;
  #isOpen = true;
  /** A send was buffered and part of it is still there: only then is it worth asking uWS how much. */
  #isSlow = false;

  /** Of all sockets. */
  readonly #onDrained: (peer: UwsPeer) => void;

  constructor(
    socket: UwsWebSocket<UwsConnection>,
    remoteAddress: string,
    bufferedBytesMax: number,
    onDrained: (peer: UwsPeer) => void,
  ) {
    this.#socket = socket;
    this.#onDrained = onDrained;
    this.remoteAddress = remoteAddress;
    this.#bufferedBytesMax = bufferedBytesMax;
  }

  send(data: string | Uint8Array, binary: boolean): 'sent' | 'buffered' | 'dropped' {
    if (!this.#isOpen) return 'dropped';
    if (this.#isSlow && this.#socket.getBufferedAmount() + byteLength(data) > this.#bufferedBytesMax) {
      this.terminate();
      return 'dropped';
    }
    if (this.#socket.send(data, binary) === 1) return 'sent';
    this.#isSlow = true;
    return 'buffered';
  }

  cork(fill: () => void): void {
    if (!this.#isOpen) {
      fill();
      return;
    }
    this.#socket.cork(fill);
    // Inside a cork uWS reports 'buffered' for frames that the kernel then takes whole as the cork ends, and no drain event
    // follows.
    if (this.#isOpen && this.#isSlow && this.#socket.getBufferedAmount() === 0) this.#onDrained(this);
  }

  bufferedBytes(): number {
    return this.#isOpen && this.#isSlow ? this.#socket.getBufferedAmount() : 0;
  }

  ping(): void {
    if (this.#isOpen) this.#socket.ping();
  }

  close(code: number, reason: string): void {
    if (this.#isOpen) this.#socket.end(code, reason);
  }

  terminate(): void {
    if (this.#isOpen) this.#socket.close();
  }

  /** uWS reports every write that went out; the session hears only of the last. */
  hasDrained(): boolean {
    if (!this.#isOpen || !this.#isSlow || this.#socket.getBufferedAmount() > 0) return false;
    this.#isSlow = false;
    return true;
  }

  get connection(): UwsConnection {
    return this.#socket.getUserData();
  }

  forget(): void {
    this.#isOpen = false;
  }
}

export function uwsWebSocketBehavior(serving: UwsServing, clock: Clock): UwsBehavior<UwsConnection> {
  const { doors, settings } = serving;
  const call = (connection: UwsConnection, run: (session: WebSocketSession) => void): void => {
    if (!runSession(() => run(connection.session), doors)) connection.peer?.close(1011, 'internal error');
  };
  // Not inside uWS's callback: a cork filled there may leave its last bytes behind without another drain event.
  const drainedLater = (peer: UwsPeer): void =>
    clock.endOfTurn(() => {
      if (peer.hasDrained()) call(peer.connection, (session) => session.drained());
    });
  return {
    // Above its own limit uWS cuts the connection without a close frame; the slack lets us say 1009 in most cases.
    maxPayloadLength: settings.websocketPayloadBytesMax * 2,
    idleTimeout: settings.websocketIdleMs / 1000,
    // Unlimited for uWS: at its limit it drops frames silently, even pongs. UwsPeer.send holds the limit instead.
    maxBackpressure: 0,
    sendPingsAutomatically: true,
    upgrade: (response, request, context) => upgrade(response, request, context, serving),
    open(socket) {
      const connection = socket.getUserData();
      const { remoteAddress } = connection;
      const peer = new UwsPeer(socket, remoteAddress, settings.websocketBufferedBytesMax, drainedLater);
      connection.peer = peer;
      call(connection, (session) => session.opened(peer));
    },
    message(socket, message, isBinary) {
      const connection = socket.getUserData();
      if (message.byteLength > settings.websocketPayloadBytesMax) connection.peer?.close(1009, 'message too big');
      else call(connection, (session) => session.message(ownBytes(new Uint8Array(message)), isBinary));
    },
    drain(socket) {
      const connection = socket.getUserData();
      if (connection.peer) drainedLater(connection.peer);
    },
    pong(socket) {
      call(socket.getUserData(), (session) => session.ponged());
    },
    close(socket, code, message) {
      doors.entrance?.room.give();
      const connection = socket.getUserData();
      const reason = Buffer.from(message).toString();
      const { peer } = connection;
      peer?.forget();
      // uWS explains a cut with its own text; only a code from a close frame comes with the peer's reason.
      call(connection, (session) => session.closed(code === 0 ? 1005 : code, code === 1006 ? '' : reason));
    },
  };
}

/** The hook may answer later: by then uWS's request is gone, and the client may be gone too. */
function upgrade(response: UwsResponse, request: UwsRequest, context: UwsUpgradeContext, serving: UwsServing): void {
  let isGone = false;
  response.onAborted(() => {
    isGone = true;
  });
  const headers = uwsHeaders(request);
  const snapshot = new UpgradeSnapshot(
    uwsMethod(request),
    request.getUrl(),
    request.getQuery() ?? '',
    headers,
    uwsAddress(response),
  );
  const refuse = (status: number, list: readonly (readonly [string, string])[], body: string | Uint8Array): void => {
    response.cork(() => {
      response.writeStatus(statusLine(status));
      for (const [name, value] of list) response.writeHeader(name, value);
      response.end(body, serving.closing);
    });
  };
  const answered = (answer: UpgradeAnswer): void => {
    if (isGone) {
      if ('accept' in answer) runSession(() => answer.accept.closed(1006, ''), serving.doors);
      return;
    }
    if ('refuse' in answer) {
      assertHeaders(answer.headers);
      refuse(answer.refuse, answer.headers, answer.body ?? '');
      return;
    }
    const connection: UwsConnection = {
      session: answer.accept,
      remoteAddress: snapshot.remoteAddress(),
      peer: undefined,
    };
    const key = snapshot.header('sec-websocket-key') ?? '';
    response.cork(() => response.upgrade(connection, key, answer.protocol ?? '', '', context));
  };
  const failed = (error: unknown): void => {
    runSession(() => serving.doors.failed?.(error, undefined), serving.doors);
    if (!isGone) refuse(500, [], '');
  };
  try {
    const answer = serving.doors.upgrade?.(snapshot) ?? { refuse: 404, headers: [] };
    if (answer instanceof Promise) answer.then(answered).catch(failed);
    else answered(answer);
  } catch (error) {
    failed(error);
  }
}
