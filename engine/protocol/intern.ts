/**
 * Topic names, group ids, client ids and topic ids recur in every request. Making a string from bytes costs a call into C++
 * and gives a string whose hash must be computed again for the next Map lookup; finding the string made last time costs one
 * comparison. Two direct-mapped tables, so memory is bounded and a collision only costs the slow path.
 */
import '../kernel/buffer.ts';

const slots = 4096;
const internedBytesMax = 64;

const texts: string[] = Array.from({ length: slots }, () => '');
const ids: string[] = Array.from({ length: slots }, () => '');

/** `length` bytes of UTF-8 at `position`; the caller has checked that they are there. */
export function text(bytes: Buffer, position: number, length: number): string {
  if (length > internedBytesMax) return bytes.utf8Slice(position, position + length);
  const slot = slotOf(bytes, position, length);
  const known = texts[slot]!;
  if (isSame(known, bytes, position, length)) return known;
  const made = bytes.utf8Slice(position, position + length);
  // A shorter string has multi-byte characters: its code units could equal the bytes of another, invalid text.
  if (made.length === length) texts[slot] = made;
  return made;
}

/** The uuid in the 16 bytes at `position`. */
export function id(bytes: Buffer, position: number): string {
  const slot = slotOf(bytes, position, 16);
  const known = ids[slot]!;
  if (isSame(known, bytes, position, 16)) return known;
  const made = bytes.latin1Slice(position, position + 16);
  ids[slot] = made;
  return made;
}

function isSame(known: string, bytes: Buffer, position: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known.charCodeAt(i) !== bytes[position + i]) return false;
  return true;
}

/** Samples both ends and the middle: names of one owner differ in the last characters, owners differ in the first. */
function slotOf(bytes: Buffer, position: number, length: number): number {
  const middle = position + (length >> 1);
  const end = position + length;
  let hash = length;
  hash = Math.imul(hash ^ (bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16)), 0x9e3779b1);
  hash = Math.imul(hash ^ (bytes[middle]! | (bytes[middle + 1]! << 8)), 0x85ebca6b);
  hash = Math.imul(hash ^ (bytes[end - 1]! | (bytes[end - 2]! << 8) | (bytes[end - 3]! << 16)), 0xc2b2ae35);
  return (hash >>> 16) & (slots - 1);
}
