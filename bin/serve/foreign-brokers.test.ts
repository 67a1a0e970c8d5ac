/** Against processes that are stopped. What happens between containers is in tests/e2e/containers.test.ts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  type BrokerSession,
  brokerSessionKey,
  encodeBrokerSession,
} from '../../engine/controller/rows/broker-session.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import { memoryStore } from '../../engine/store-memory.ts';
import { refuseForeignBrokers } from './foreign-brokers.ts';

/** No process has an id above 2^22. */
const noProcess = 2 ** 22 + 1;
let folder: string;
let address: string;
let broker: ChildProcess;
const clients: Socket[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'foreign-'));
  address = join(folder, 'broker.sock');
  const program = `require('net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => console.log('up'))`;
  broker = spawn(process.execPath, ['-e', program, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(broker.stdout!, 'data');
  broker.kill('SIGSTOP');
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  broker.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

it.runIf(existsSync('/proc/self/stat'))(
  'a stopped broker of another process counts as present, however many clients wait for it',
  async () => {
    const clock = systemClock;
    const persistence = { store: memoryStore({ clock }).connect(), clock, random: systemRandom };
    const session: BrokerSession = {
      brokerId: 1,
      epoch: 1,
      state: 'serving',
      zone: 'a',
      volume: folder,
      address,
      pid: noProcess,
    };
    await persistence.store.transact([{ op: 'put', key: brokerSessionKey(1), value: encodeBrokerSession(session) }]);
    let last: unknown;
    while (clients.length < 100 && !(last instanceof Error)) {
      const client = connect(address);
      clients.push(client);
      last = await once(client, 'connect').catch((error: unknown) => error);
    }
    expect(last).toMatchObject({ code: 'EAGAIN' });
    await expect(refuseForeignBrokers(persistence, () => address)).rejects.toThrow('runs in another container');
  },
);
