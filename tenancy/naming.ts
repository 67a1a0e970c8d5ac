/**
 * Tenant names inside the engine. A tenant's topic `orders` is `<clusterId>.orders` there, its groups and transactional
 * ids alike. The cluster id has a fixed length and its alphabet has no separator, so no inner name of one cluster can be
 * read as another's, and the internal topics (`<clusterId>:offsets`) can be reached by no tenant name at all.
 */
export const clusterIdLength = 12;
const separator = '.';
/** Kafka's own limit on topic names, applied to the tenant's name: the prefix is ours to pay. */
export const topicNameLengthMax = 249;

export function innerName(clusterId: string, name: string): string {
  return clusterId + separator + name;
}

/** The tenant's name, or undefined when the inner name is another cluster's or internal. */
export function tenantName(clusterId: string, inner: string): string | undefined {
  return inner.length > clusterIdLength && inner.charAt(clusterIdLength) === separator && inner.startsWith(clusterId)
    ? inner.slice(clusterIdLength + 1)
    : undefined;
}

/** Takes every inner name of the cluster out of a text meant for its tenant, e.g. "Topic 'c….orders' already exists". */
export function stripNames(clusterId: string, text: string): string {
  return text.replaceAll(clusterId + separator, '');
}

/** Kafka's rule (org.apache.kafka.common.internals.Topic): undefined when legal, else why not. */
export function topicNameFault(name: string): string | undefined {
  if (name.length === 0) return 'the empty string is not allowed';
  if (name === '.' || name === '..') return `'${name}' is not allowed`;
  if (name.length > topicNameLengthMax) return `the length ${name.length} is over the limit of ${topicNameLengthMax}`;
  if (!/^[a-zA-Z0-9._-]+$/.test(name))
    return `'${name}' has a character other than ASCII letters, digits, '.', '_' and '-'`;
  return undefined;
}
