/**
 * Tenant names inside the engine. A tenant's topic `orders` is `<clusterId>.orders` there; its groups and transactional ids
 * follow the same rule. The cluster id has a fixed length and its alphabet has no separator. So no inner name of one
 * cluster can be read as another's, and no tenant name can reach the internal topics (`<clusterId>:offsets`).
 */
export const clusterIdLength = 12;
const separator = '.';
/** Kafka's own limit on topic names, applied to the tenant's name without our prefix. */
export const topicNameLengthMax = 249;

export function innerName(clusterId: string, name: string): string {
  return clusterId + separator + name;
}

/** The tenant's name; undefined when the inner name is internal or belongs to another cluster. */
export function tenantName(clusterId: string, inner: string): string | undefined {
  return inner.length > clusterIdLength && inner.charAt(clusterIdLength) === separator && inner.startsWith(clusterId)
    ? inner.slice(clusterIdLength + 1)
    : undefined;
}

/** Removes the cluster's prefix from inner names in a text for its tenant, e.g. "Topic 'c….orders' already exists". */
export function stripNames(clusterId: string, text: string): string {
  return text.replaceAll(clusterId + separator, '');
}

/**
 * Topics of a cluster whose names have the same form collide: Kafka's metrics, and tools that name files or tables after
 * topics, replace dots by underscores. Undefined: the name has neither, so it collides with no other name.
 */
export function collidingForm(name: string): string | undefined {
  return /[._]/.test(name) ? name.replaceAll('.', '_') : undefined;
}

/** Kafka's rule (org.apache.kafka.common.internals.Topic): undefined when the name is legal, otherwise the reason it is not. */
export function topicNameFault(name: string): string | undefined {
  if (name.length === 0) return 'the empty string is not allowed';
  if (name === '.' || name === '..') return `'${name}' is not allowed`;
  if (name.length > topicNameLengthMax) return `the length ${name.length} is over the limit of ${topicNameLengthMax}`;
  if (!/^[a-zA-Z0-9._-]+$/.test(name))
    return `'${name}' has a character other than ASCII letters, digits, '.', '_' and '-'`;
  return undefined;
}
