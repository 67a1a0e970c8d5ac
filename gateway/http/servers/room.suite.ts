/** What both transports must do when there is no room for a connection. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { request } from 'node:https';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { systemRandom } from '../../../engine/kernel/random.ts';
import { Room } from '../../connection-room.ts';
import { Entrance } from '../../entrance.ts';
import type { MakeServer } from './server.suite.ts';
import { type DataServer, serverDefaults, type ServerSettings } from './server.ts';
import { TlsFiles } from '../../tls-files.ts';
import { systemClock } from '../../../engine/kernel/clock.ts';

const fixtures = join(fileURLToPath(new URL('../../..', import.meta.url)), 'tests', 'fixtures', 'tls');
const tls = new TlsFiles({
  certificateFile: join(fixtures, 'certificate.pem'),
  keyFile: join(fixtures, 'key.pem'),
  clock: systemClock,
  log: () => undefined,
});
const ca = readFileSync(tls.certificateFile);

/** `yields`: connections whose callers are not yet known make room for new ones. */
export function roomSuite(name: string, make: MakeServer, yields: boolean): void {
  describe(`room for connections over ${name}`, () => {
    let server: DataServer;
    let port = 0;
    let room: Room;

    async function start(max: number, more: Partial<ServerSettings> = {}): Promise<void> {
      room = new Room(max);
      server = await make(
        { ...serverDefaults, ...more },
        {
          routes: [],
          entrance: new Entrance(room, systemRandom),
          fallback: (exchange) => {
            const isHeld = exchange.path === '/held';
            if (isHeld) exchange.knownAs('a cluster');
            exchange.reply(200, isHeld ? [] : [['connection', 'close']], 'served');
          },
          upgrade: () => ({
            accept: {
              opened: () => undefined,
              message: () => undefined,
              drained: () => undefined,
              ponged: () => undefined,
              closed: () => undefined,
            },
          }),
        },
      );
      port = await server.listen('127.0.0.1', 0, { exclusive: true });
    }
    afterEach(() => server.closeAll());

    const taken = (count: number): Promise<void> => expect.poll(() => room.taken).toBe(count) as Promise<void>;

    /** A connection whose caller has authenticated. */
    async function hold(): Promise<Socket> {
      const socket = connect(port, '127.0.0.1');
      socket.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
      return socket;
    }

    test('a connection too many is closed, and the next one is served once another has gone', async () => {
      await start(2);
      const held = [await hold(), await hold()];
      expect(room.taken).toBe(2);
      const refused = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(refused, 'close');
      expect(room).toMatchObject({ taken: 2, refused: 1 });

      held[0]!.destroy();
      await taken(1);
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('served');
      held[1]!.destroy();
      await taken(0);
    });

    test('a WebSocket keeps its room until it ends', async () => {
      await start(1);
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
      await once(socket, 'open');
      expect(room.taken).toBe(1);
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed');
      socket.close();
      await taken(0);
      const cut = new WebSocket(`ws://127.0.0.1:${port}/`);
      await once(cut, 'open');
      cut.terminate();
      await taken(0);
    });

    test.each([false, true])('an upgrade that is declined takes no room twice (TLS: %s)', async (isTls) => {
      await start(1, isTls ? { tls } : {});
      const socket = isTls ? connectTls({ port, host: '127.0.0.1', ca }) : connect(port, '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(String(answer)).toMatch(/^HTTP\/1.1 200 OK\r\n/);
      expect(room.refused).toBe(0);
      socket.destroy();
      await taken(0);
    });

    if (yields)
      test('a connection of an unknown caller makes room for a new one, the oldest first', async () => {
        await start(3);
        const held = await hold();
        const silent = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
        await taken(3);
        for (const socket of silent) {
          const gone = once(socket, 'close');
          expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('served');
          await gone;
          silent.push(connect(port, '127.0.0.1'));
          if (silent.length === 4) break;
          await taken(3);
        }
        expect(held.destroyed).toBe(false);
        held.destroy();
        for (const socket of silent) socket.destroy();
        await taken(0);
      });

    test('a TLS handshake that never ends takes room, and yields it where the server can', async () => {
      await start(1, { tls });
      const silent = connect(port, '127.0.0.1');
      await taken(1);
      const silentIsGone = once(silent, 'close');
      if (yields) expect(await askTls()).toBe(200);
      else await expect(askTls()).rejects.toThrow();
      expect(room.refused).toBe(1);
      silent.destroy();
      await silentIsGone;
      await taken(0);
    });

    test('a server that closes does not wait for handshakes', async () => {
      await start(1, { tls });
      const silent = connect(port, '127.0.0.1');
      await taken(1);
      const silentIsGone = once(silent, 'close');
      await server.closeAll();
      await silentIsGone;
    }, 5_000);

    if (yields)
      test('a connection makes no room for others after its handshake, once its caller is known', async () => {
        await start(2, { tls });
        const known = connectTls({ port, host: '127.0.0.1', ca });
        known.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
        await once(known, 'data');
        for (let i = 0; i < 4; i++) connect(port, '127.0.0.1').on('error', () => undefined);
        await expect.poll(() => room.refused).toBe(3);
        expect(known.destroyed).toBe(false);
        known.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
        expect(String((await once(known, 'data'))[0])).toContain('served');
        known.destroy();
      });

    function askTls(): Promise<number | undefined> {
      return new Promise((resolve, reject) => {
        const asked = request({ host: '127.0.0.1', port, ca, servername: 'localhost', agent: false }, (response) => {
          response.resume();
          response.on('end', () => resolve(response.statusCode));
        });
        asked.on('error', reject);
        asked.end();
      });
    }
  });
}
