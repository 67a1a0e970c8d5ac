/** An id for `kafka-storage format -t` from 16 random bytes. None begins with `-`: the tool would take it for a flag. */
export function clusterId(random: Uint8Array): string {
  const bytes = Buffer.from(random);
  // The first six bits are the first character, and `-` is the last but one of 64.
  bytes[0]! &= 0x7f;
  return bytes.toString('base64url');
}
