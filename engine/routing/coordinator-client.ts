/**
 * How a group request identifies its client to the broker. DescribeGroups shows the client id and host of every member,
 * but the broker's peer is the gateway. So the header's client id carries both: id, NUL, host. NUL works because no
 * host contains one. The last NUL counts, because a client id might contain one.
 *
 * Behind the host follows, for requests about offsets, when the topics that they name were made, as far as that was a
 * short time ago: the broker may not have heard yet that a name now belongs to another topic, and what was committed for
 * the former one must not be taken for the new one's. Neither a host nor a topic's name contains what separates these.
 */
const clientIdBytesMax = 0x7fff;
const separator = '\u0001';

export interface Client {
  readonly clientId: string;
  readonly clientHost: string;
  /** By topic. */
  readonly topicsMadeMs?: ReadonlyMap<string, number>;
}

/**
 * At most 32,767 bytes, the header's limit. What leaves no room for the host is dropped: first the topics, then the client
 * id.
 */
export function joinClient({ clientId, clientHost, topicsMadeMs }: Client): string {
  const made = [...(topicsMadeMs ?? [])].map(([topic, madeMs]) => `${separator}${topic}=${madeMs}`).join('');
  const fits = (joined: string): boolean => Buffer.byteLength(joined) <= clientIdBytesMax;
  const whole = `${clientId}\0${clientHost}${made}`;
  const joined = fits(whole) ? whole : `${clientId}\0${clientHost}`;
  return fits(joined) ? joined : `\0${clientHost}`;
}

export function splitClient(joined: string): Client {
  const at = joined.lastIndexOf('\0');
  if (at < 0) return { clientId: joined, clientHost: '' };
  const clientId = joined.slice(0, at);
  const [clientHost = '', ...made] = joined.slice(at + 1).split(separator);
  if (made.length === 0) return { clientId, clientHost };
  const topicsMadeMs = new Map(
    made.map((each) => {
      const equals = each.lastIndexOf('=');
      return [each.slice(0, equals), Number(each.slice(equals + 1))] as const;
    }),
  );
  return { clientId, clientHost, topicsMadeMs };
}

/** For ListGroups: the cluster, and the partitions of its coordinator topic that the broker should answer for. */
export function joinSeats(clusterId: string, partitions: readonly number[]): string {
  return `${clusterId}\0${partitions.join()}`;
}

export function splitSeats(joined: string): { readonly clusterId: string; readonly partitions: readonly number[] } {
  const [clusterId = '', list = ''] = joined.split('\0');
  return { clusterId, partitions: list === '' ? [] : list.split(',').map(Number) };
}
