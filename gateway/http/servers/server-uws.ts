/**
 * The transport over uWebSockets.js: several times the requests per core of node:http. One catch-all route feeds our own
 * route table, so that both drivers route alike.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { assert } from '../../../engine/kernel/assert.ts';
import type { Clock } from '../../../engine/kernel/clock.ts';
import { TurnTime } from '../../turn-time.ts';
import type { Room } from '../../connection-room.ts';
import type { TlsSource } from '../../tls-files.ts';
import { runHandler, statusLine } from './dispatch.ts';
import { headTooLarge, problemType } from './refuse-connection.ts';
import { RouteTable } from './route-table.ts';
import type { DataServer, ServerDoors, ServerSettings } from './server.ts';
import { UwsExchange, type UwsServing } from './uws-exchange.ts';
import { uwsHeaderBytes, uwsMethod } from './uws-request.ts';
import type { UwsApp, UwsListenSocket, UwsModule, UwsRequest, UwsResponse } from './uws-types.ts';
import { uwsWebSocketBehavior } from './uws-websocket.ts';

/** Throws where the package has no binary for this platform, libc or Node version. */
export async function loadUws(headerBytesMax: number): Promise<UwsModule> {
  // The addon reads this only when it is loaded. Its default of 4 KiB is too small for JSON web tokens.
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(headerBytesMax);
  const loaded: { readonly default: unknown } = await import('uWebSockets.js');
  return loaded.default as UwsModule;
}

/** An app lives as long as it is kept; certificates may be renewed every hour. */
const formerAppsMax = 32;

interface Place {
  readonly host: string;
  readonly port: number;
  readonly options: number;
}

export class UwsServer implements DataServer {
  readonly driver = 'uws';
  readonly #uws: UwsModule;
  readonly #serving: UwsServing;
  readonly #makeApp: () => UwsApp;
  /** The app that takes new connections. */
  #app: UwsApp;
  /** That app and the ones with the previous certificates, for the connections that they still have. */
  readonly #formerApps: UwsApp[] = [];
  readonly #stopFollowing: () => void;
  #place: Place | undefined;
  #listening: UwsListenSocket | undefined;

  constructor(uws: UwsModule, settings: ServerSettings, doors: ServerDoors, clock: Clock) {
    const { websocketIdleMs, tls } = settings;
    // uWS ends the process over an invalid timeout.
    assert(
      websocketIdleMs >= 8000 && websocketIdleMs <= 960_000 && websocketIdleMs % 4000 === 0,
      'websocketIdleMs must be 8 s to 960 s and a multiple of 4 s',
    );
    this.#uws = uws;
    this.#serving = { doors, settings, closing: false, clock, turn: new TurnTime(clock) };
    const table = new RouteTable(doors.routes);
    this.#makeApp = () => this.#route(newApp(uws, tls), table);
    this.#app = this.#makeApp();
    this.#stopFollowing = tls?.onReplaced(() => this.#replaceApp()) ?? (() => undefined);
  }

  #route(app: UwsApp, table: RouteTable): UwsApp {
    const { doors, settings, clock } = this.#serving;
    if (doors.entrance) letIn(app, doors.entrance.room);
    if (doors.upgrade) app.ws('/*', uwsWebSocketBehavior(this.#serving, clock));
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
    // Do not ask for the method on the busiest path: the library would build a string that we then look up.
    app.post('/*', (response, request) => serve(response, request, 'POST'));
    app.any('/*', (response, request) => serve(response, request, uwsMethod(request)));
    return app;
  }

  /**
   * An app keeps the certificate it was created with. For a new certificate another app takes over the listening address,
   * within one turn, and the old app keeps its connections. Connections that the kernel has accepted by then and we have
   * not are reset, and their clients come again.
   */
  #replaceApp(): void {
    const place = this.#place;
    if (this.#serving.closing || !place || !this.#listening) return;
    const next = this.#makeApp();
    this.#uws.us_listen_socket_close(this.#listening);
    this.#listening = this.#listenAt(next, place);
    if (this.#listening) {
      this.#formerApps.push(this.#app);
      this.#app = next;
      if (this.#formerApps.length > formerAppsMax) this.#formerApps.shift()!.close();
      return;
    }
    this.#listening = this.#listenAt(this.#app, place);
    throw new Error(`cannot listen on ${place.host}:${place.port} any more with the new certificate`);
  }

  async listen(host: string, port: number, { exclusive }: { readonly exclusive: boolean }): Promise<number> {
    const options = exclusive ? this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT : 0;
    let listening = this.#listenAt(this.#app, { host, port, options });
    if (listening && port === 0 && this.#serving.settings.tls) {
      // For a port that the kernel chose, uWS does not set SO_REUSEADDR, which lets others bind it while connections live.
      const chosen = this.#uws.us_socket_local_port(listening);
      this.#uws.us_listen_socket_close(listening);
      listening = this.#listenAt(this.#app, { host, port: chosen, options });
    }
    if (!listening) {
      await whyNotListening(host, port);
      throw new Error(`cannot listen on ${host}:${port}: the port is in use, or the address is not of this machine`);
    }
    this.#listening = listening;
    this.#place = { host, port: this.#uws.us_socket_local_port(listening), options };
    return this.#place.port;
  }

  /** uWS calls back before it returns. */
  #listenAt(app: UwsApp, { host, port, options }: Place): UwsListenSocket | undefined {
    let listening: UwsListenSocket | undefined;
    app.listen(host, port, options, (socket) => (listening = socket || undefined));
    return listening;
  }

  close(): void {
    this.#serving.closing = true;
    this.#stopFollowing();
    if (this.#listening) this.#uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
  }

  closeAll(): Promise<void> {
    this.close();
    for (const app of [this.#app, ...this.#formerApps]) app.close();
    return Promise.resolve();
  }
}

/** uWS does not say why. Node does: rejects with its error, unless the address has become free. */
async function whyNotListening(host: string, port: number): Promise<void> {
  const probe = createServer();
  await once(probe.listen(port, host), 'listening');
  probe.close();
}

/** Throws where the files hold no valid pair. */
function newApp(uws: UwsModule, tls: TlsSource | undefined): UwsApp {
  return tls ? uws.SSLApp({ cert_file_name: tls.certificateFile, key_file_name: tls.keyFile }) : uws.App();
}

/** uWS reports each connection, and its end unless it has become a WebSocket: a WebSocket gives its room back itself. */
function letIn(app: UwsApp, room: Room): void {
  let isRefusing = false;
  app.filter((response, count) => {
    if (count < 0) {
      // uWS reports the end of a refused connection before close() returns.
      if (!isRefusing) room.give();
    } else if (!room.take()) {
      isRefusing = true;
      response.close();
      isRefusing = false;
    }
  });
}

function refuseHeaders(response: UwsResponse): void {
  response.writeStatus(statusLine(431));
  response.writeHeader('content-type', problemType);
  response.end(JSON.stringify(headTooLarge), true);
}
