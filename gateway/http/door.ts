/** The HTTP door: all data-plane routes of a tenant, and WebSockets at /v1/ws, on one port. */
import { assert } from '../../engine/kernel/assert.ts';
import { sleep } from '../../engine/kernel/clock.ts';
import { Lanes } from '../../engine/kernel/lanes.ts';
import { RecordProducer } from '../operations/produce.ts';
import type { GatewayContext } from '../context.ts';
import type { Durations } from '../durations.ts';
import { Entrance } from '../entrance.ts';
import { largeAnswersMax } from '../several-turns.ts';
import { BodyMemory } from './body-memory.ts';
import { chooseServer, type ServerChoice } from './servers/choose-server.ts';
import { Credentials } from './credentials.ts';
import { type DoorParts, guard } from './guard.ts';
import { KeyHolders } from './key-holders.ts';
import { producerRoutes } from './producer-stamp.ts';
import { replyFailure } from './reply-problem.ts';
import { aboutRoutes, notFound } from './routes/about.ts';
import { consume, consumeQuery } from './routes/consume.ts';
import { sharedEvents } from './routes/event-stream.ts';
import { groupRoutes } from './routes/groups.ts';
import { produceRecord, produceRecordQuery } from './routes/produce-record.ts';
import { produceRecords, produceRecordsQuery } from './routes/produce-records.ts';
import { topicRoutes } from './routes/topics.ts';
import { type Route, serverDefaults, type ServerDoors, type ServerSettings } from './servers/server.ts';
import type { Traffic } from '../traffic.ts';
import { TurnTime } from '../turn-time.ts';
import { WebSocketDoor } from '../websocket/door.ts';
import type { WebSocketSettings } from '../websocket/settings.ts';
import { httpDoorDefaults, type HttpDoorSettings } from './settings.ts';

export interface HttpDoorOptions {
  readonly context: GatewayContext;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly exclusive: boolean;
  readonly serverChoice: ServerChoice;
  readonly settings?: Partial<HttpDoorSettings>;
  readonly websocket?: Partial<WebSocketSettings>;
  readonly tls?: ServerSettings['tls'] | undefined;
}

export interface HttpDoor {
  readonly port: number;
  readonly driver: 'uws' | 'node';
  /** Why uWebSockets.js was not used; undefined when it is in use or was not wanted. */
  readonly fallbackReason: string | undefined;
  /** Bytes held by requests that are not answered yet. */
  readonly requestBytesHeld: number;
  /** Accepts nothing new, lets requests under way finish for `graceMs`, then cuts the rest. */
  close(graceMs: number): Promise<void>;
}

/**
 * Larger than a session's own limit (websocket/settings.ts) by one record of the maximum size as JSON, which is never
 * split.
 */
const websocketBufferedBytesMax = 64 * 1024 * 1024;
/** How often a closing door checks whether it is done, and how long it gives the last bytes to leave. */
const pollMs = 10;
const lingerMs = 200;

/** Rejects when the address is in use, or when `serverChoice` names a driver that does not load. */
export async function startHttpDoor(options: HttpDoorOptions): Promise<HttpDoor> {
  const { context } = options;
  const settings = { ...httpDoorDefaults, ...options.settings };
  const parts: DoorParts = {
    context,
    settings,
    producer: new RecordProducer(context),
    credentials: new Credentials(context.tenancy.access),
    holders: new KeyHolders(context.tenancy.access),
    turn: new TurnTime(context.clock),
    bodyMemory: new BodyMemory(context.settings.requestBytesHeldMax),
    events: sharedEvents(),
    largeAnswers: new Lanes(largeAnswersMax),
  };
  const websockets = new WebSocketDoor(parts, options.websocket);
  const doors: ServerDoors = {
    routes: [...routesOf(parts), ...websockets.routes()],
    fallback: notFound,
    bodyMemory: parts.bodyMemory,
    entrance: new Entrance(context.connections.http, context.random),
    failed(error, exchange) {
      if (exchange) replyFailure(context, exchange, error);
      else
        context.log('websocket-session-failed', {
          reason: error instanceof Error ? String(error.stack) : String(error),
        });
    },
    replied: repliedTo(context.traffic),
    upgrade: (request) => websockets.upgrade(request),
  };
  const serverSettings: ServerSettings = {
    ...serverDefaults,
    websocketPayloadBytesMax: settings.websocketMessageBytesMax,
    websocketBufferedBytesMax,
    ...(options.tls && { tls: options.tls }),
  };
  const { server, fallbackReason } = await chooseServer(options.serverChoice, serverSettings, doors, context.clock);
  const port = await server.listen(options.host, options.port, { exclusive: options.exclusive });
  let closing: Promise<void> | undefined;
  const close = async (graceMs: number): Promise<void> => {
    assert(graceMs >= 0, 'a grace period is not negative');
    server.close();
    websockets.leave();
    // Long polls answer with the records they have and event streams end, so that the door need not wait for either.
    parts.holders.endAll();
    const { clock } = context;
    const deadlineMs = clock.monotonicMs() + graceMs;
    const isBusy = (): boolean => parts.producer.requestsUnderWay > 0 || websockets.underWay > 0;
    while (isBusy() && clock.monotonicMs() < deadlineMs) await sleep(clock, pollMs);
    websockets.closeAll();
    // Answers and close frames may still be on their way.
    await sleep(clock, Math.min(graceMs, lingerMs));
    await server.closeAll();
    parts.credentials.close();
    parts.holders.close();
  };
  return {
    port,
    driver: server.driver,
    fallbackReason,
    get requestBytesHeld() {
      return parts.bodyMemory.held;
    },
    close: (graceMs) => (closing ??= close(graceMs)),
  };
}

/** Counts replies and, by route, how long they took to begin. */
function repliedTo(traffic: Traffic): NonNullable<ServerDoors['replied']> {
  const durations = new Map<Route, Durations>();
  return (status, route, tookMs) => {
    traffic.replied('http', status);
    if (!route) return;
    let known = durations.get(route);
    if (!known) durations.set(route, (known = traffic.durations('http', `${route.method} ${route.pattern}`)));
    known.record(tookMs);
  };
}

function routesOf(parts: DoorParts): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/v1/topics/{topic}',
      handler: guard(parts, produceRecord(parts), produceRecordQuery, 'with-body'),
    },
    {
      method: 'POST',
      pattern: '/v1/topics/{topic}/records',
      handler: guard(parts, produceRecords(parts), produceRecordsQuery, 'with-body'),
    },
    { method: 'GET', pattern: '/v1/topics/{topic}/records', handler: guard(parts, consume(parts), consumeQuery) },
    ...topicRoutes(parts),
    ...groupRoutes(parts),
    ...producerRoutes(parts),
    ...aboutRoutes(parts),
  ];
}
