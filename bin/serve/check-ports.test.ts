import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { checkPorts, portsOf } from './check-ports.ts';
import { checkOpenFiles, openFilesMax } from './open-files.ts';
import { startFailureExit, startFailureText } from './start-failure.ts';

const free = { host: '127.0.0.1', kafkaPort: 0, kafkaBrokerPort: 0, httpPort: 0, adminPort: 0 };

/** What `headgate serve` says and how it ends. */
async function endOf(settings: Partial<typeof free>): Promise<[text: string, code: number] | undefined> {
  try {
    await checkPorts({ ...free, ...settings });
    return undefined;
  } catch (error) {
    return [startFailureText(error), startFailureExit(error)];
  }
}

it('ports that are free are free afterwards', async () => {
  expect(await endOf({})).toBeUndefined();
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  const told = `port ${port} of 127.0.0.1 is in use: see --kafka-port, --kafka-broker-port, --http-port and --admin-port`;
  for (const flag of ['kafkaPort', 'httpPort', 'adminPort'] as const) {
    expect(await endOf({ [flag]: port })).toEqual([told, 1]);
  }
  await new Promise((resolve) => probe.close(resolve));
  expect(await endOf({ httpPort: port })).toBeUndefined();
  expect(await endOf({ httpPort: port })).toBeUndefined();
});

it('hosts that are not of this machine are named, also without a port of their own', async () => {
  expect(await endOf({ host: '192.0.2.1' })).toEqual(['192.0.2.1 is not an address of this machine: see --host', 1]);
  const [text, code] = (await endOf({ host: 'nowhere.invalid' }))!;
  expect(text).toMatch(/^nowhere\.invalid has no address here \(E\w+\): see --host$/);
  expect(code).toBe(1);
});

it.each([
  [{ kafkaPort: 9, httpPort: 9 }, '--http-port 9: --kafka-port has this port too'],
  [{ httpPort: 7, adminPort: 7 }, '--admin-port 7: --http-port has this port too'],
  [
    { kafkaBrokerPort: 7, httpPort: 9 },
    '--http-port 9: --kafka-broker-port has this port too (--kafka-broker-port takes three: 7 to 9)',
  ],
])('%j: a port that is given twice is a wrong setting', async (settings, told) => {
  expect(() => portsOf({ ...free, ...settings })).toThrow(InvalidRequest);
  expect(await endOf(settings)).toEqual([told, 2]);
});

it('a limit on open files that is too low is a wrong setting too', () => {
  expect(openFilesMax()).toBeGreaterThan(32);
  expect(() => checkOpenFiles(128)).not.toThrow();
  expect(() => checkOpenFiles(32)).toThrow(InvalidRequest);
  expect(() => checkOpenFiles(32)).toThrow(/^this process may have 32 files open: allow at least 128, .*ulimit -n/);
});
