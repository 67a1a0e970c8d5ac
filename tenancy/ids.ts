/** Ids of tenants, clusters and API keys: fixed lengths of base32 letters, so none can contain a separator. */
import { below, type Random } from '../engine/kernel/random.ts';
import { clusterIdLength } from './naming.ts';

export const keyIdLength = 12;
const tenantIdLength = 12;
const letters = 'abcdefghijklmnopqrstuvwxyz234567';

/** Starts with a letter, so it is valid as a DNS label and as a name in any language. */
export function newClusterId(random: Random): string {
  return letters.charAt(below(random, 26)) + draw(random, clusterIdLength - 1);
}

export function newTenantId(random: Random): string {
  return `t${draw(random, tenantIdLength - 1)}`;
}

export function newKeyId(random: Random): string {
  return draw(random, keyIdLength);
}

function draw(random: Random, length: number): string {
  let text = '';
  // 32 letters divide 256, so the low bits of a byte are uniform.
  for (const byte of random.bytes(length)) text += letters.charAt(byte & 31);
  return text;
}
