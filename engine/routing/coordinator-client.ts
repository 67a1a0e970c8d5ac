/**
 * How a group request identifies its client to the broker. DescribeGroups shows the client id and host of every member,
 * but the broker's peer is the gateway. So the header's client id carries both: id, NUL, host. NUL works because no
 * host contains one. The last NUL counts, because a client id might contain one.
 */
const clientIdBytesMax = 0x7fff;

export interface Client {
  readonly clientId: string;
  readonly clientHost: string;
}

/** At most 32,767 bytes, the header's limit. A client id that leaves no room for the host is dropped. */
export function joinClient({ clientId, clientHost }: Client): string {
  const joined = `${clientId}\0${clientHost}`;
  return Buffer.byteLength(joined) <= clientIdBytesMax ? joined : `\0${clientHost}`;
}

export function splitClient(joined: string): Client {
  const at = joined.lastIndexOf('\0');
  if (at < 0) return { clientId: joined, clientHost: '' };
  return { clientId: joined.slice(0, at), clientHost: joined.slice(at + 1) };
}

/** For ListGroups: the cluster, and the partitions of its coordinator topic that the broker should answer for. */
export function joinSeats(clusterId: string, partitions: readonly number[]): string {
  return `${clusterId}\0${partitions.join()}`;
}

export function splitSeats(joined: string): { readonly clusterId: string; readonly partitions: readonly number[] } {
  const [clusterId = '', list = ''] = joined.split('\0');
  return { clusterId, partitions: list === '' ? [] : list.split(',').map(Number) };
}
