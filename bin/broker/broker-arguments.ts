/** The command line of a broker process: written by the process that starts it, read by the broker itself. */
import { parseArgs } from 'node:util';
import type { BrokerProcess } from './serve-broker.ts';

/** Arguments that are the same for every slot. */
type Shared = Omit<BrokerProcess, 'slot' | 'disk'>;

/** With '=', because some values are empty. */
export function brokerArguments(shared: Shared): string[] {
  const flags = {
    data: shared.data,
    durability: shared.durability,
    'lease-ms': shared.leaseMs,
    segments: shared.segments,
    'segments-endpoint': shared.segmentsEndpoint,
    'scrub-mib-per-second': shared.scrubMebibytesPerSecond,
  };
  return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
}

const slotFlags = ['broker-id', 'zone', 'volume', 'address'] as const;

/**
 * `hasSlot`: the slot is on the command line too, as infra/fleet/detached.ts writes it. Throws and names the missing
 * argument.
 */
export function readBrokerArguments(hasSlot: false): Shared;
export function readBrokerArguments(hasSlot: true): Shared & Pick<BrokerProcess, 'slot'>;
export function readBrokerArguments(hasSlot: boolean): Shared & Partial<Pick<BrokerProcess, 'slot'>> {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      data: string,
      durability: string,
      'lease-ms': string,
      segments: string,
      'segments-endpoint': string,
      'scrub-mib-per-second': string,
      // A parent of an earlier version, whose program was replaced under it, still writes it.
      brokers: string,
      ...Object.fromEntries(slotFlags.map((name) => [name, string])),
    },
  });
  const text = (name: string): string => {
    const value = (values as Readonly<Record<string, unknown>>)[name];
    if (typeof value !== 'string')
      throw new Error(`brokers are started by \`headgate serve\`, not by hand: --${name} is missing`);
    return value;
  };
  const shared: Shared = {
    data: text('data'),
    durability: text('durability') as 'fsync' | 'page-cache',
    leaseMs: Number(text('lease-ms')),
    segments: text('segments'),
    segmentsEndpoint: text('segments-endpoint'),
    scrubMebibytesPerSecond: Number(text('scrub-mib-per-second')),
  };
  if (!hasSlot) return shared;
  const [brokerId, zone, volume, address] = slotFlags.map(text) as [string, string, string, string];
  return { ...shared, slot: { brokerId: Number(brokerId), zone, volume, address } };
}
