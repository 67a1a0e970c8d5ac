/** The HTTP door: all data-plane routes of a tenant, and WebSockets at /v1/ws, on one port. */
import { assert } from '../../engine/kernel/assert.ts';
import { sleep } from '../../engine/kernel/clock.ts';
import { RecordProducer } from '../operations/produce.ts';
import type { GatewayContext } from '../context.ts';
import { chooseServer, type ServerChoice } from './choose-server.ts';
import { Credentials } from './credentials.ts';
import { type DoorParts, guard } from './guard.ts';
import { KeyHolders } from './key-holders.ts';
import { replyFailure } from './reply-problem.ts';
import { aboutRoutes, notFound } from './routes/about.ts';
import { consume } from './routes/consume.ts';
import { groupRoutes } from './routes/groups.ts';
import { produceRecord } from './routes/produce-record.ts';
import { produceRecords } from './routes/produce-records.ts';
import { topicRoutes } from './routes/topics.ts';
import { type Route, serverDefaults, type ServerDoors, type ServerSettings } from './server.ts';
import { httpDoorDefaults, type HttpDoorSettings } from './settings.ts';

export interface HttpDoorOptions {
  readonly context: GatewayContext;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly exclusive: boolean;
  readonly serverChoice: ServerChoice;
  readonly settings?: Partial<HttpDoorSettings>;
  readonly tls?: ServerSettings['tls'] | undefined;
}

export interface HttpDoor {
  readonly port: number;
  readonly driver: 'uws' | 'node';
  /** Why uWebSockets.js was passed over; undefined when it serves or was not wanted. */
  readonly fallbackReason: string | undefined;
  /** Takes nothing new, lets what is under way finish for `graceMs`, then cuts. */
  close(graceMs: number): Promise<void>;
}

/** Rejects when the address is taken, or when `serverChoice` insists on a driver that does not load. */
export async function startHttpDoor(options: HttpDoorOptions): Promise<HttpDoor> {
  const { context } = options;
  const settings = { ...httpDoorDefaults, ...options.settings };
  const parts: DoorParts = {
    context,
    settings,
    producer: new RecordProducer(context),
    credentials: new Credentials(context.tenancy.access),
    holders: new KeyHolders(context.tenancy.access),
  };
  const doors: ServerDoors = {
    routes: routesOf(parts),
    fallback: notFound,
    failed(error, exchange) {
      if (exchange) replyFailure(context, exchange, error);
      else context.log('websocket-session-failed', { reason: error instanceof Error ? String(error.stack) : String(error) });
    },
  };
  const serverSettings: ServerSettings = {
    ...serverDefaults,
    websocketPayloadBytesMax: settings.websocketMessageBytesMax,
    ...(options.tls && { tls: options.tls }),
  };
  const { server, fallbackReason } = await chooseServer(options.serverChoice, serverSettings, doors, context.clock);
  const port = await server.listen(options.host, options.port, { exclusive: options.exclusive });
  let closing: Promise<void> | undefined;
  const close = async (graceMs: number): Promise<void> => {
    assert(graceMs >= 0, 'a grace period is not negative');
    server.close();
    await sleep(context.clock, graceMs);
    await server.closeAll();
    parts.credentials.close();
    parts.holders.close();
  };
  return { port, driver: server.driver, fallbackReason, close: (graceMs) => (closing ??= close(graceMs)) };
}

function routesOf(parts: DoorParts): Route[] {
  return [
    { method: 'POST', pattern: '/v1/topics/{topic}', handler: guard(parts, produceRecord(parts)) },
    { method: 'POST', pattern: '/v1/topics/{topic}/records', handler: guard(parts, produceRecords(parts)) },
    { method: 'GET', pattern: '/v1/topics/{topic}/records', handler: guard(parts, consume(parts)) },
    ...topicRoutes(parts),
    ...groupRoutes(parts),
    ...aboutRoutes(parts),
  ];
}
