import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { brokerSlot } from './broker-slots.ts';
import { startFailureExit, startFailureText } from './start-failure.ts';

it('a port in use is named, with the flags that choose another', async () => {
  const first = createServer().listen(0, '127.0.0.1');
  await once(first, 'listening');
  const { port } = first.address() as AddressInfo;
  const second = createServer().listen(port, '127.0.0.1');
  const [error] = (await once(second, 'error')) as [Error];
  first.close();
  expect(startFailureText(error)).toBe(
    `port ${port} of 127.0.0.1 is in use: see --kafka-port, --kafka-broker-port, --http-port and --admin-port`,
  );
  expect(startFailureExit(error)).toBe(1);
});

it('a data folder that cannot be locked is named', async () => {
  const server = createServer().listen('/nowhere/data/run/one-1-aa.sock');
  const [error] = (await once(server, 'error')) as [Error];
  expect(startFailureText(error)).toMatch(
    /^\/nowhere\/data\/run takes no socket \(E\w+\): can this user write to the data folder\?$/,
  );
});

it('a host without an address is named with its flag', async () => {
  const server = createServer().listen(0, 'host.invalid');
  const [error] = (await once(server, 'error')) as [Error];
  expect(startFailureText(error)).toMatch(/^host\.invalid has no address here \(E\w+\): see --host$/);
});

it('a wrong setting has an exit code of its own', () => {
  const error = new InvalidRequest('--brokers', '--brokers=x: use a whole number');
  expect([startFailureExit(error), startFailureText(error)]).toEqual([2, '--brokers=x: use a whole number']);
});

it.each(['a,a', 'a,,b', ' a , a'])('zones "%s" are refused', (zones) => {
  const settings = { zones } as Parameters<typeof brokerSlot>[0];
  const folder = { volume: String, run: '/run' } as unknown as Parameters<typeof brokerSlot>[1];
  expect(() => brokerSlot(settings, folder, 1)).toThrow(/--zones=.*name each zone once/);
});
