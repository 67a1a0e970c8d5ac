/** More connections than there is room for, through real sockets. */
import { afterEach, expect, it } from 'vitest';
import { type DoorBench, doorBench, RawClient } from './door.suite.ts';

let bench: DoorBench;
afterEach(() => bench.close());

it('strangers make room for a later connection, the oldest first; logged-in clients stay', async () => {
  // Of 16 files the engine has 4 and the control plane 2; this door may use 8 of the other 10.
  bench = await doorBench({}, {}, { openFilesMax: 16 });
  const acme = await bench.tenant('acme');
  const first = await bench.client(acme);
  const strangers: RawClient[] = [];
  for (let i = 0; i < 20; i++) strangers.push(await RawClient.connect(bench.door.port));
  await expect.poll(() => bench.door.connections()).toBe(8);
  for (const stranger of strangers.slice(0, 13)) await stranger.closed;

  const late = await bench.client(acme);
  expect((await late.ask(16, 0, { statesFilter: [], typesFilter: [] })).groups).toEqual([]);
  expect((await first.ask(16, 0, { statesFilter: [], typesFilter: [] })).groups).toEqual([]);
  for (const stranger of strangers) stranger.end();
  // 1 of the door's 8 places was taken when the 20 arrived, and then one more came.
  expect(bench.context.connections.kafka.refused).toBe(14);
});

it('refuses a new connection when all others have logged in, and accepts the next once one has gone', async () => {
  bench = await doorBench({ connectionsMax: 2 });
  const acme = await bench.tenant('acme');
  const clients = [await bench.client(acme), await bench.client(acme)];
  const refused = await RawClient.connect(bench.door.port);
  await refused.closed;
  expect(bench.context.connections.kafka.refused).toBe(1);
  clients[0]!.end();
  await expect.poll(() => bench.door.connections()).toBe(1);
  const next = await bench.client(acme);
  expect((await next.ask(16, 0, { statesFilter: [], typesFilter: [] })).errorCode).toBe(0);
  expect(bench.context.connections.kafka.taken).toBe(2);
});
