/** The controller's requests to a broker: one request and its answer over a link of its own. */
import type { BrokerApi, BrokerRequest } from '../../engine/controller/context.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { Random } from '../../engine/kernel/random.ts';
import { LinkPool } from '../../engine/link/pool.ts';
import { linkDefaults } from '../../engine/link/link.ts';
import { type BrokerSlot, LinkClosed, type Network } from '../../engine/ports.ts';
import type { RequestOf, ResponseOf } from '../../engine/protocol/apis.ts';

/** How long a release may take at the broker, which rolls up the logs that it gives away. */
const answerWaitMsMax = 30_000;
const connectPollMs = 20;
const connectMsMax = 2_000;

export function brokerRequests(
  parts: { readonly network: Network; readonly clock: Clock; readonly random: Random },
  slotOf: (brokerId: number) => Pick<BrokerSlot, 'address'>,
): { readonly send: BrokerRequest; close(): void } {
  const { clock } = parts;
  const pool = new LinkPool(parts, { reconnectMs: 10, reconnectMsMax: 250, link: linkDefaults });

  const send = <K extends BrokerApi>(brokerId: number, key: K, request: RequestOf<K>): Promise<ResponseOf<K>> =>
    new Promise((resolve, reject) => {
      const { address } = slotOf(brokerId);
      const deadlineMs = clock.monotonicMs() + connectMsMax;
      const attempt = (): void => {
        const link = pool.link(address, 'control');
        if (link) {
          link.send(key, 0, request, { answered: resolve, failed: reject }, { waitMs: answerWaitMsMax });
        } else if (clock.monotonicMs() < deadlineMs) {
          clock.after(connectPollMs, attempt);
        } else {
          reject(new LinkClosed(`broker ${brokerId} does not answer at ${address}`, false));
        }
      };
      attempt();
    });
  return { send, close: () => pool.close() };
}
