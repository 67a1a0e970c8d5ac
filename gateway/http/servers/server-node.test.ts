import { once } from 'node:events';
import { expect, test } from 'vitest';
import WebSocket from 'ws';
import { systemClock } from '../../../engine/kernel/clock.ts';
import { manualClock } from '../../../engine/kernel/manual-clock.ts';
import { serverDefaults, type UpgradeAnswer, type UpgradeRequest, type WebSocketSession } from './server.ts';
import { NodeServer } from './server-node.ts';
import { framingSuite } from './framing.suite.ts';
import { roomSuite } from './room.suite.ts';
import { websocketSuite } from './server-websocket.suite.ts';
import { type MakeServer, serverSuite, signal } from './server.suite.ts';

const make: MakeServer = (settings, doors) => Promise.resolve(new NodeServer(settings, doors, systemClock));

test('a WebSocket whose client answers no ping is cut after the idle time, and others stay', async () => {
  const clock = manualClock();
  const ends: string[] = [];
  const pongs = signal<void>();
  const session = (name: string): WebSocketSession => ({
    opened: () => undefined,
    message: () => undefined,
    drained: () => undefined,
    ponged: () => pongs.resolve(),
    closed: (code) => void ends.push(`${name} ${code}`),
  });
  const upgrade = ({ path }: UpgradeRequest): UpgradeAnswer => ({ accept: session(path) });
  const server = new NodeServer(
    serverDefaults,
    { routes: [], fallback: (exchange) => exchange.reply(404, []), upgrade },
    clock,
  );
  const port = await server.listen('127.0.0.1', 0);
  const connect = async (path: string, autoPong: boolean): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { autoPong });
    await once(socket, 'open');
    return socket;
  };
  const [silent, alive] = [await connect('/silent', false), await connect('/alive', true)];
  const pinged = once(silent, 'ping');
  await clock.advance(serverDefaults.websocketIdleMs / 2);
  await Promise.all([pinged, pongs.promise]);
  expect(ends).toEqual([]);
  const closed = once(silent, 'close');
  await clock.advance(serverDefaults.websocketIdleMs / 2);
  await closed;
  expect(ends).toEqual(['/silent 1006']);
  expect(alive.readyState).toBe(WebSocket.OPEN);
  alive.terminate();
  await server.closeAll();
});

serverSuite('node:http', make);
websocketSuite('node:http', make);
framingSuite('node:http', make);
roomSuite('node:http', make, true);
