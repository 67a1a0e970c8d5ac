/** The transport over node:http and ws: for platforms without a uWebSockets.js binary. Same behaviour, fewer requests per core. */
import { type IncomingMessage, type RequestListener, type Server, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../engine/kernel/clock.ts';
import { TurnTime } from '../../turn-time.ts';
import { followPair } from '../../tls-files.ts';
import { runHandler } from './dispatch.ts';
import { NodeExchange, type NodeServing, splitTarget } from './node-exchange.ts';
import { NodeWebSockets } from './node-websocket.ts';
import { headTooLarge, problemType, refuseConnection } from './refuse-connection.ts';
import { RouteTable } from './route-table.ts';
import type { DataServer, HeaderList, ServerDoors, ServerSettings } from './server.ts';

/** As built into uWebSockets.js. */
const headersMax = 100;

export class NodeServer implements DataServer {
  readonly driver = 'node';
  readonly #server: Server;
  readonly #serving: NodeServing;
  readonly #isTls: boolean;
  readonly #websockets: NodeWebSockets | undefined;

  constructor(settings: ServerSettings, doors: ServerDoors, clock: Clock) {
    const serving: NodeServing = {
      doors,
      settings,
      closing: false,
      clock,
      turn: new TurnTime(clock),
      doubtful: new WeakSet(),
    };
    this.#serving = serving;
    this.#isTls = settings.tls !== undefined;
    const table = new RouteTable(doors.routes);
    const listener: RequestListener = (request, response) => {
      if (serving.doubtful.has(request.socket)) return;
      const { path, queryString } = splitTarget(request.url ?? '/');
      const match = table.match(request.method ?? '', path);
      const exchange = new NodeExchange(request, response, path, queryString, match, serving);
      if (request.rawHeaders.length / 2 > headersMax) {
        const headers: HeaderList = [
          ['connection', 'close'],
          ['content-type', problemType],
        ];
        exchange.reply(431, headers, JSON.stringify(headTooLarge));
        return;
      }
      if (exchange.headFault) {
        exchange.refuseHead(exchange.headFault);
        return;
      }
      runHandler(match.handler ?? doors.fallback, exchange, doors);
      exchange.handlerReturned();
    };
    this.#server = nodeServer(settings, listener);
    this.#server.maxHeadersCount = 0;
    doors.entrance?.watch(this.#server);
    this.#server.on('clientError', (error, socket) => {
      // Such a connection has its answer already.
      if (serving.doubtful.has(socket)) socket.end();
      else refuseConnection(error, socket);
    });
    this.#server.on('timeout', (socket) => socket.destroy());
    this.#websockets = doors.upgrade && new NodeWebSockets(serving, clock);
    const { upgrade } = doors;
    if (upgrade) this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /**
   * node:http reports every kind of upgrade. Any but a WebSocket (Java's client asks each server for h2c) may be declined
   * by ignoring it: the request goes back into the parser without the header.
   */
  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (request.headers.upgrade?.toLowerCase() === 'websocket' && request.headers['sec-websocket-key'] !== undefined) {
      this.#websockets?.upgrade(request, socket, head);
      return;
    }
    const lines = [`${request.method ?? ''} ${request.url ?? ''} HTTP/${request.httpVersion}`];
    for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
      const name = request.rawHeaders[i] ?? '';
      if (!/^(upgrade|connection|http2-settings)$/i.test(name))
        lines.push(`${name}: ${request.rawHeaders[i + 1] ?? ''}`);
    }
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
    // This event delivers the socket that requests are read from: under TLS a raw connection still has its handshake ahead.
    this.#server.emit(this.#isTls ? 'secureConnection' : 'connection', socket);
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', reject);
        const address = this.#server.address();
        resolve(typeof address === 'object' && address ? address.port : port);
      });
    });
  }

  close(): void {
    this.#serving.closing = true;
    this.#server.close();
    this.#serving.doors.entrance?.cutShaking();
  }

  closeAll(): Promise<void> {
    return new Promise((resolve) => {
      this.#serving.closing = true;
      this.#server.close(() => resolve());
      this.#websockets?.closeAll();
      this.#serving.doors.entrance?.cutShaking();
      this.#server.closeAllConnections();
    });
  }
}

function nodeServer(settings: ServerSettings, listener: RequestListener): Server {
  const options = {
    maxHeaderSize: settings.headerBytesMax,
    keepAliveTimeout: settings.idleTimeoutMs,
    headersTimeout: settings.idleTimeoutMs,
    // How often node:http looks for sockets over that limit; its own default would triple the time.
    connectionsCheckingInterval: settings.idleTimeoutMs / 5,
    // Bodies are watched for stalls, not for total time: a stream of records may last for hours.
    requestTimeout: 0,
  };
  const { tls } = settings;
  if (!tls) return createServer(options, listener);
  const server = createTlsServer(
    {
      ...options,
      ...tls.pair,
      // Node's own limit is two minutes.
      handshakeTimeout: settings.idleTimeoutMs,
    },
    listener,
  );
  followPair(server, tls);
  return server;
}
