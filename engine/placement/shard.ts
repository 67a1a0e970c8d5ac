/** Which shard a cluster belongs to. Part of the rows' keys, so it must never change. */

/** Uniform over 32 bits (FNV-1a over UTF-16 units, then murmur3's finaliser). Not for secrets. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** Gives a different hash for each `salt`. */
export function hashWith(hash: number, salt: number): number {
  return mix(hash ^ Math.imul(salt + 1, 0x9e3779b9));
}

/** In 0..shardCount-1. All topics of a cluster share its shard. */
export function shardOf(clusterId: string, shardCount: number): number {
  return hashText(clusterId) % shardCount;
}

function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
