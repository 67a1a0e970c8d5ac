/**
 * A broker process before it has a slot, and its side of the IPC channel (infra/fleet/child.ts). The channel is its
 * lifeline: when the parent is gone the process ends at once, without cleaning up, because its successor recovers its log
 * from disk anyway.
 */
import type { Disk } from '../../engine/ports.ts';
import type { FromBroker, ToBroker } from '../../infra/fleet/child.ts';
import { readBrokerArguments } from './broker-arguments.ts';
import { endAtOnce, endOnBug } from './end-at-once.ts';
import { letHeapGrow } from '../serve/heap-growth.ts';
import { serveBroker } from './serve-broker.ts';

/** Returns at once; the channel keeps the process alive. */
export function standBy(disk: Disk): void {
  process.once('disconnect', () => endAtOnce());
  endOnBug();
  letHeapGrow();
  const shared = readBrokerArguments(false);
  if (!process.send) throw new Error('standby brokers are started by `headgate serve`, not by hand');
  const tell = (message: FromBroker): void => void process.send!(message);
  let serving: Promise<{ stop(): void }> | undefined;
  process.on('message', (message: ToBroker) => {
    switch (message.kind) {
      case 'serve': {
        const { slot } = message;
        process.title = `headgate broker ${slot.brokerId} zone ${slot.zone}`;
        serving = serveBroker({ ...shared, slot, disk });
        serving.then(
          () => tell({ kind: 'serving' }),
          (error: unknown) => {
            process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
            endAtOnce();
          },
        );
        return;
      }
      case 'ping':
        return tell({ kind: 'pong' });
      case 'stop':
        if (!serving) process.exit(0);
        void serving.then((broker) => broker.stop());
    }
  });
  // Ctrl-C and a service manager's SIGTERM reach the whole process group. The parent decides when its brokers stop: first
  // the doors finish the requests that the brokers still have to answer.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  process.title = 'headgate broker to be';
  tell({ kind: 'ready' });
}
