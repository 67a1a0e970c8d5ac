/** The control plane on its own port. */
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Server as TlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Entrance } from '../entrance.ts';
import { refuseConnection } from '../http/servers/refuse-connection.ts';
import { followPair, type TlsSource } from '../tls-files.ts';
import { createAdminApp } from './create-app.ts';
import type { AdminOptions } from './options.ts';

export interface AdminListenOptions extends AdminOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly tls?: TlsSource | undefined;
}

export interface AdminServer {
  readonly port: number;
  /** Waits `graceMs` for requests in flight, then ends them. */
  close(graceMs: number): Promise<void>;
}

/** Sockets that have not completed the TLS handshake or sent a whole request head within this time are closed. */
const headersTimeoutMs = 10_000;

/**
 * How long a connection may be idle between requests: longer than the minute for which load balancers keep theirs. A client
 * that sends just as the other side closes sees a closed connection, and must not repeat a request that is not a read.
 */
const keepAliveTimeoutMs = 75_000;

/** Rejects with the system's error when the address cannot be listened on. */
export async function startAdmin(options: AdminListenOptions): Promise<AdminServer> {
  const { host, port, tls, context } = options;
  const entrance = new Entrance(context.connections.admin, context.random);
  const admin = createAdminApp(options, ({ incoming }) => entrance.known(incoming.socket));
  const listener = getRequestListener(admin.app.fetch, { overrideGlobalObjects: false });
  let closing = false;
  const handle: Parameters<typeof createServer>[1] = (request, response) => {
    // Kept-alive connections would delay closing: idle ones close as soon as their last response is out.
    response.once('close', () => {
      if (closing) context.clock.endOfTurn(() => server.closeIdleConnections());
    });
    void listener(request, response);
  };
  const limits = {
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: headersTimeoutMs / 5,
    keepAliveTimeout: keepAliveTimeoutMs,
  };
  const server: Server = tls
    ? createTlsServer({ ...limits, ...tls.pair, handshakeTimeout: headersTimeoutMs }, handle)
    : createServer(limits, handle);
  if (tls && server instanceof TlsServer) followPair(server, tls);
  server.on('clientError', refuseConnection);
  entrance.watch(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs) {
      closing = true;
      admin.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      entrance.cutShaking();
      const timer = context.clock.after(graceMs, () => server.closeAllConnections());
      await closed;
      timer.cancel();
    },
  };
}
