import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { systemClock } from '../../../engine/kernel/clock.ts';
import { serverDefaults } from './server.ts';
import { UwsServer, loadUws } from './server-uws.ts';
import { framingSuite } from './framing.suite.ts';
import { roomSuite } from './room.suite.ts';
import { websocketSuite } from './server-websocket.suite.ts';
import { type MakeServer, serverSuite } from './server.suite.ts';
import { whereUwsLoads } from './where-uws-loads.suite.ts';

const make: MakeServer = async (settings, doors) => {
  const uws = await loadUws(settings.headerBytesMax);
  return new UwsServer(uws, settings, doors, systemClock);
};
await whereUwsLoads(() => {
  serverSuite('uWebSockets.js', make);
  websocketSuite('uWebSockets.js', make);
  framingSuite('uWebSockets.js', make);
  roomSuite('uWebSockets.js', make, false);

  it('keeps the connections of its last 32 certificates, and closes older ones', async () => {
    const fixtures = join(fileURLToPath(new URL('../../..', import.meta.url)), 'tests', 'fixtures', 'tls');
    const [certificateFile, keyFile] = [join(fixtures, 'certificate.pem'), join(fixtures, 'key.pem')];
    const pair = { cert: readFileSync(certificateFile), key: readFileSync(keyFile) };
    let replaced = (): void => undefined;
    const tls = {
      certificateFile,
      keyFile,
      pair,
      onReplaced: (listener: () => void) => {
        replaced = listener;
        return () => undefined;
      },
    };
    const server = await make(
      { ...serverDefaults, tls },
      { routes: [], fallback: (exchange) => exchange.reply(404, [], 'no') },
    );
    const port = await server.listen('127.0.0.1', 0, { exclusive: false });
    const open = async (): Promise<TLSSocket> => {
      const socket = connect({ port, host: '127.0.0.1', ca: pair.cert, servername: 'localhost' });
      await once(
        socket.on('error', () => undefined),
        'secureConnect',
      );
      return socket;
    };
    const first = await open();
    replaced();
    const second = await open();
    for (let i = 0; i < 31; i++) replaced();
    const answered = once(first, 'data');
    first.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(String(await answered)).toContain('404');
    const ended = once(first, 'close');
    replaced();
    await ended;
    const stillAnswered = once(second, 'data');
    second.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(String(await stillAnswered)).toContain('404');
    second.destroy();
    await server.closeAll();
  });
});
