/**
 * The transport over uWebSockets.js: several times the requests per core of node:http. One catch-all route feeds our own
 * route table, so that both drivers route alike.
 */
import { assert } from '../../../engine/kernel/assert.ts';
import type { Clock } from '../../../engine/kernel/clock.ts';
import type { Room } from '../../connection-room.ts';
import { runHandler, statusLine } from './dispatch.ts';
import { RouteTable } from './route-table.ts';
import type { DataServer, ServerDoors, ServerSettings } from './server.ts';
import { UwsExchange, type UwsServing, uwsHeaderBytes, uwsMethod } from './uws-exchange.ts';
import type { UwsApp, UwsListenSocket, UwsModule, UwsRequest, UwsResponse } from './uws-types.ts';
import { uwsWebSocketBehavior } from './uws-websocket.ts';

/** Throws where the package has no binary for this platform, libc or Node version. */
export async function loadUws(headerBytesMax: number): Promise<UwsModule> {
  // Read by the addon when it is loaded, and never again. Its default of 4 KiB is too small for JSON web tokens.
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(headerBytesMax);
  const loaded: { readonly default: unknown } = await import('uWebSockets.js');
  return loaded.default as UwsModule;
}

export class UwsServer implements DataServer {
  readonly driver = 'uws';
  readonly #uws: UwsModule;
  readonly #app: UwsApp;
  readonly #serving: UwsServing;
  #listening: UwsListenSocket | undefined;

  constructor(uws: UwsModule, settings: ServerSettings, doors: ServerDoors, clock: Clock) {
    const { websocketIdleMs, tls } = settings;
    // uWS ends the process over a timeout it does not like.
    assert(
      websocketIdleMs >= 8000 && websocketIdleMs <= 960_000 && websocketIdleMs % 4000 === 0,
      'websocketIdleMs must be 8 s to 960 s and a multiple of 4 s',
    );
    this.#uws = uws;
    this.#serving = { doors, settings, closing: false, clock };
    this.#app = tls ? uws.SSLApp({ cert_file_name: tls.certificateFile, key_file_name: tls.keyFile }) : uws.App();
    if (doors.entrance) this.#letIn(doors.entrance.room);
    if (doors.upgrade) this.#app.ws('/*', uwsWebSocketBehavior(this.#serving, clock));
    const table = new RouteTable(doors.routes);
    const serve = (response: UwsResponse, request: UwsRequest, method: string): void => {
      const path = request.getUrl();
      const match = table.match(method, path);
      const exchange = new UwsExchange(response, request, method, path, match, this.#serving);
      const lineBytes = path.length + exchange.queryString.length;
      if (uwsHeaderBytes() + lineBytes > settings.headerBytesMax) {
        refuseHeaders(response);
        return;
      }
      if (exchange.headFault) {
        exchange.refuseHead(exchange.headFault);
        return;
      }
      runHandler(match.handler ?? doors.fallback, exchange, doors);
      exchange.handlerReturned();
    };
    // The method of the busiest path is not asked for: that is a string made by the library and looked up by us.
    this.#app.post('/*', (response, request) => serve(response, request, 'POST'));
    this.#app.any('/*', (response, request) => serve(response, request, uwsMethod(request)));
  }

  /** uWS tells of each connection, and of its end unless it has become a WebSocket: that gives its room back itself. */
  #letIn(room: Room): void {
    let isRefusing = false;
    this.#app.filter((response, count) => {
      if (count < 0) {
        // The end of one that is refused is told before close() returns.
        if (!isRefusing) room.give();
      } else if (!room.take()) {
        isRefusing = true;
        response.close();
        isRefusing = false;
      }
    });
  }

  listen(host: string, port: number, { exclusive }: { readonly exclusive: boolean }): Promise<number> {
    const options = exclusive ? this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT : 0;
    return new Promise((resolve, reject) => {
      this.#app.listen(host, port, options, (socket) => {
        if (!socket) {
          reject(new Error(`cannot listen on ${host}:${port}: the address is taken or not ours`));
          return;
        }
        this.#listening = socket;
        resolve(this.#uws.us_socket_local_port(socket));
      });
    });
  }

  close(): void {
    this.#serving.closing = true;
    if (this.#listening) this.#uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
  }

  closeAll(): Promise<void> {
    this.close();
    this.#app.close();
    return Promise.resolve();
  }
}

function refuseHeaders(response: UwsResponse): void {
  response.writeStatus(statusLine(431));
  response.end('', true);
}
