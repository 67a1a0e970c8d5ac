/** Like strangers.test.ts, over TLS, where a connection is only a socket until its handshake is done. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { type DoorBench, doorBench, RawClient } from './door.suite.ts';
import { TlsFiles } from '../tls-files.ts';
import { systemClock } from '../../engine/kernel/clock.ts';

const fixtures = join(fileURLToPath(new URL('../..', import.meta.url)), 'tests', 'fixtures', 'tls');
const tls = new TlsFiles({
  certificateFile: join(fixtures, 'certificate.pem'),
  keyFile: join(fixtures, 'key.pem'),
  clock: systemClock,
  log: () => undefined,
});
let bench: DoorBench;
const silent: Socket[] = [];
afterEach(async () => {
  for (const socket of silent.splice(0)) socket.destroy();
  await bench.close();
});

/** Connected, and the first bytes of a handshake sent. */
async function halfHandshake(): Promise<Socket> {
  const socket = connect(bench.door.port, '127.0.0.1').on('error', () => undefined);
  silent.push(socket);
  await once(socket, 'connect');
  socket.write(Buffer.from([22, 3, 1, 2, 0, 1]));
  return socket;
}

it('unfinished handshakes make room, the oldest first; logged-in clients stay, and finished handshakes stay longer', async () => {
  bench = await doorBench({}, {}, { openFilesMax: 16, tls });
  const acme = await bench.tenant('acme');
  const first = await bench.client(acme);
  const stranger = await RawClient.connect(bench.door.port, true);
  const flood: Socket[] = [];
  for (let i = 0; i < 20; i++) flood.push(await halfHandshake());
  const { kafka: room } = bench.context.connections;
  // 2 of the door's 8 places were taken when the 20 arrived.
  await expect.poll(() => room.refused).toBe(14);
  expect(room.taken).toBe(8);
  for (const socket of flood.slice(0, 14)) if (!socket.closed) await once(socket, 'close');

  const late = await bench.client(acme);
  for (const client of [first, late]) {
    expect((await client.ask(16, 0, { statesFilter: [], typesFilter: [] })).groups).toEqual([]);
  }
  await stranger.login(acme);
  expect(room.refused).toBe(15);
  stranger.end();
});

it('a client that finishes the handshake but never logs in makes room too', async () => {
  bench = await doorBench({ connectionsMax: 2 }, {}, { tls });
  const acme = await bench.tenant('acme');
  const first = await bench.client(acme);
  const stranger = await RawClient.connect(bench.door.port, true);
  const second = await bench.client(acme);
  await stranger.closed;
  const refused = await halfHandshake();
  if (!refused.closed) await once(refused, 'close');
  for (const client of [first, second]) {
    expect((await client.ask(16, 0, { statesFilter: [], typesFilter: [] })).groups).toEqual([]);
  }
  expect(bench.context.connections.kafka.taken).toBe(2);
});

it('a door that closes does not wait for handshakes', async () => {
  bench = await doorBench({}, {}, { tls });
  await halfHandshake();
  await expect.poll(() => bench.context.connections.kafka.taken).toBe(1);
  await bench.door.close(0);
  await expect.poll(() => bench.context.connections.kafka.taken).toBe(0);
}, 5_000);
