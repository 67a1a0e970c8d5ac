/** What both transports must do alike when connections find no room. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { Room } from '../connection-room.ts';
import type { MakeServer } from './server.suite.ts';
import { type DataServer, serverDefaults, type ServerSettings } from './server.ts';

const fixtures = join(fileURLToPath(new URL('../..', import.meta.url)), 'tests', 'fixtures', 'tls');
const tls = { certificateFile: join(fixtures, 'certificate.pem'), keyFile: join(fixtures, 'key.pem') };

export function roomSuite(name: string, make: MakeServer): void {
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
          room,
          fallback: (exchange) => exchange.reply(200, [['connection', 'close']], 'served'),
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

    test('one too many is closed, and the next is served when another has gone', async () => {
      await start(2);
      const held = [0, 1].map(() => connect(port, '127.0.0.1'));
      await taken(2);
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

    test('an upgrade that is declined takes no room twice', async () => {
      await start(1);
      const socket = connect(port, '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(String(answer)).toMatch(/^HTTP\/1.1 200 OK\r\n/);
      expect(room.refused).toBe(0);
      socket.destroy();
      await taken(0);
    });

    test('a TLS handshake that never ends takes room', async () => {
      await start(1, { tls });
      const silent = connect(port, '127.0.0.1');
      await taken(1);
      const refused = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(refused, 'close');
      silent.destroy();
      await taken(0);
    });
  });
}
