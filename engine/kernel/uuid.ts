import './buffer.ts';
import type { Random } from './random.ts';

/**
 * A 16-byte id held as a string of 16 latin1 characters: the cheapest Map key there is, and what the codec yields for
 * Kafka's uuid fields. It is printed as Kafka prints topic ids (unpadded base64url), at the edges only.
 */
export type Uuid = string;

export const zeroUuid: Uuid = '\0'.repeat(16);

export function uuidOf(random: Random): Uuid {
  const bytes = random.bytes(16);
  // RFC 9562 version 4, like Kafka's Uuid.randomUuid. A leading '-' would look like a flag to shell tools, so draw again.
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const id = bytes.latin1Slice(0, 16);
  return uuidText(id).startsWith('-') ? uuidOf(random) : id;
}

/** As shown by `kafka-topics --describe`, e.g. 'wZ2e…'. */
export function uuidText(id: Uuid): string {
  return Buffer.from(id, 'latin1').toString('base64url');
}

/** Undefined when `text` is not 22 characters of base64url. */
export function parseUuid(text: string): Uuid | undefined {
  if (!/^[A-Za-z0-9_-]{22}$/.test(text)) return undefined;
  return Buffer.from(text, 'base64url').toString('latin1');
}
