/** WebSocket connections over the ws library, on sockets that node:http hands over. */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import type { Clock, Timer } from '../../../engine/kernel/clock.ts';
import { assertHeaders, byteLength, runSession } from './dispatch.ts';
import { type NodeServing, nodeAddress, nodeHeaders, splitTarget } from './node-exchange.ts';
import { UpgradeSnapshot } from './request-snapshot.ts';
import type { HeaderList, UpgradeAnswer, WebSocketPeer, WebSocketSession } from './server.ts';

/** Time for the answer to our close frame; ws would keep the connection of a silent client for half a minute. */
const closeMsMax = 2_000;

class NodePeer implements WebSocketPeer {
  readonly remoteAddress: string;
  readonly #socket: Duplex;
  readonly #ws: WebSocket;
  readonly #serving: NodeServing;
  readonly #session: WebSocketSession;
  #isOpen = true;
  #isSlow = false;
  /** Something was received since the last sweep; see NodeWebSockets. */
  isAlive = true;
  readonly #forget: (peer: NodePeer) => void;

  constructor(
    ws: WebSocket,
    socket: Duplex,
    address: string,
    session: WebSocketSession,
    serving: NodeServing,
    forget: (peer: NodePeer) => void,
  ) {
    this.#ws = ws;
    this.#socket = socket;
    this.remoteAddress = address;
    this.#session = session;
    this.#serving = serving;
    this.#forget = forget;
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      this.isAlive = true;
      if (this.#isOpen) this.#call(() => session.message(data, isBinary));
    });
    ws.on('pong', () => {
      this.isAlive = true;
      if (this.#isOpen) this.#call(() => session.ponged());
    });
    ws.on('ping', () => {
      this.isAlive = true;
    });
    ws.on('close', (code: number, reason: Buffer) => this.#closed(code, reason.toString()));
    // A protocol error: ws sends the close frame itself and 'close' follows.
    ws.on('error', (error: Error & { code?: string }) => {
      if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#closed(1009, 'message too big');
    });
    socket.on('drain', () => {
      if (!this.#isOpen || !this.#isSlow) return;
      this.#isSlow = false;
      this.#call(() => session.drained());
    });
    this.#call(() => session.opened(this));
  }

  #call(run: () => void): void {
    if (!runSession(run, this.#serving.doors)) this.close(1011, 'internal error');
  }

  #closed(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#forget(this);
    this.#call(() => this.#session.closed(code, reason));
  }

  send(data: string | Uint8Array, binary: boolean): 'sent' | 'buffered' | 'dropped' {
    if (!this.#isOpen || this.#ws.readyState !== this.#ws.OPEN) return 'dropped';
    if (this.#ws.bufferedAmount + byteLength(data) > this.#serving.settings.websocketBufferedBytesMax && this.#isSlow) {
      this.terminate();
      return 'dropped';
    }
    this.#ws.send(data, { binary });
    if (!this.#socket.writableNeedDrain) return 'sent';
    this.#isSlow = true;
    return 'buffered';
  }

  cork(fill: () => void): void {
    this.#socket.cork();
    try {
      fill();
    } finally {
      this.#socket.uncork();
    }
  }

  bufferedBytes(): number {
    return this.#isOpen ? this.#ws.bufferedAmount : 0;
  }

  ping(): void {
    if (this.#isOpen && this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
  }

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#ws.close(code, reason);
    this.#closed(code, reason);
  }

  terminate(): void {
    if (!this.#isOpen) return;
    this.#ws.terminate();
    this.#closed(1006, '');
  }
}

export class NodeWebSockets {
  readonly #serving: NodeServing;
  readonly #peers = new Set<NodePeer>();
  readonly #protocols = new WeakMap<IncomingMessage, string>();
  readonly #handshake: WebSocketServer;
  readonly #clock: Clock;
  #sweep: Timer;

  constructor(serving: NodeServing, clock: Clock) {
    this.#serving = serving;
    this.#clock = clock;
    // The type definitions of ws lack closeTimeout.
    const options: ServerOptions & { readonly closeTimeout: number } = {
      closeTimeout: closeMsMax,
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: serving.settings.websocketPayloadBytesMax,
      handleProtocols: (_offered, request) => this.#protocols.get(request) ?? false,
    };
    this.#handshake = new WebSocketServer(options);
    this.#sweep = this.#nextSweep();
  }

  /** Two sweeps per idle time: a peer that sends nothing between a ping and the next sweep is cut. */
  #nextSweep(): Timer {
    return this.#clock.after(this.#serving.settings.websocketIdleMs / 2, () => this.#sweepNow(), 'background');
  }

  #sweepNow(): void {
    for (const peer of this.#peers) {
      if (!peer.isAlive) peer.terminate();
      peer.isAlive = false;
      peer.ping();
    }
    this.#sweep = this.#nextSweep();
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    let isGone = false;
    socket.on('error', () => {});
    socket.on('close', () => {
      isGone = true;
    });
    const { path, queryString } = splitTarget(request.url ?? '/');
    const address = nodeAddress(request);
    const snapshot = new UpgradeSnapshot(request.method ?? '', path, queryString, nodeHeaders(request), address);
    const answered = (answer: UpgradeAnswer): void => {
      if ('refuse' in answer) {
        if (!isGone) refuseUpgrade(request, socket, answer.refuse, answer.headers, answer.body ?? '');
        return;
      }
      // ws would drop such a socket silently.
      if (isGone || !socket.readable || !socket.writable) {
        socket.destroy();
        runSession(() => answer.accept.closed(1006, ''), this.#serving.doors);
        return;
      }
      this.#serving.doors.entrance?.known(request.socket);
      if (answer.protocol !== undefined) this.#protocols.set(request, answer.protocol);
      this.#handshake.handleUpgrade(request, socket, head, (ws) => {
        const forget = (peer: NodePeer): void => void this.#peers.delete(peer);
        this.#peers.add(new NodePeer(ws, socket, address, answer.accept, this.#serving, forget));
      });
    };
    const failed = (error: unknown): void => {
      runSession(() => this.#serving.doors.failed?.(error, undefined), this.#serving.doors);
      if (!isGone) refuseUpgrade(request, socket, 500, [], '');
    };
    try {
      const answer = this.#serving.doors.upgrade?.(snapshot) ?? { refuse: 404, headers: [] };
      if (answer instanceof Promise) answer.then(answered).catch(failed);
      else answered(answer);
    } catch (error) {
      failed(error);
    }
  }

  closeAll(): void {
    this.#sweep.cancel();
    for (const peer of this.#peers) peer.terminate();
  }
}

function refuseUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  status: number,
  headers: HeaderList,
  body: string | Uint8Array,
): void {
  assertHeaders(headers);
  const response = new ServerResponse(request);
  response.sendDate = false;
  response.shouldKeepAlive = false;
  // In an upgrade this is the connection's own net.Socket (or TLS socket); the event types it as any Duplex.
  response.assignSocket(request.socket);
  response.on('finish', () => socket.end());
  const flat: string[] = [];
  for (const [name, value] of headers) flat.push(name, value);
  flat.push('content-length', String(byteLength(body)));
  response.writeHead(status, flat);
  response.end(body);
}
