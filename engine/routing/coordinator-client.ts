/**
 * How a group request tells the broker who its client is. DescribeGroups shows client id and host of every member, but the
 * broker's peer is the gateway, so the header's client id carries both: id, NUL, host. A NUL because no host contains one,
 * and the last one counts because a client id might.
 */
const clientIdBytesMax = 0x7fff;

export interface Client {
  readonly clientId: string;
  readonly clientHost: string;
}

/** At most 32,767 bytes, which is what the header holds: a client id that leaves no room for the host is dropped. */
export function joinClient({ clientId, clientHost }: Client): string {
  const joined = `${clientId}\0${clientHost}`;
  return Buffer.byteLength(joined) <= clientIdBytesMax ? joined : `\0${clientHost}`;
}

export function splitClient(joined: string): Client {
  const at = joined.lastIndexOf('\0');
  if (at < 0) return { clientId: joined, clientHost: '' };
  return { clientId: joined.slice(0, at), clientHost: joined.slice(at + 1) };
}

/** Of ListGroups: the cluster, and the partitions of its coordinator topic for which the broker is asked to answer. */
export function joinSeats(clusterId: string, partitions: readonly number[]): string {
  return `${clusterId}\0${partitions.join()}`;
}

export function splitSeats(joined: string): { readonly clusterId: string; readonly partitions: readonly number[] } {
  const [clusterId = '', list = ''] = joined.split('\0');
  return { clusterId, partitions: list === '' ? [] : list.split(',').map(Number) };
}
