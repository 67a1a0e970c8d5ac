/**
 * Estimates how much a JSON text contains before it is parsed. Millions of values of a byte or two would take seconds to
 * become objects, in one turn of the event loop, and a thousand bytes of memory for every ten sent. Texts are skipped,
 * whatever is in them; the parser decides whether it is JSON at all.
 */
const quote = 0x22;
const comma = 0x2c;
const openBracket = 0x5b;
const backslash = 0x5c;
const openBrace = 0x7b;

/** The maximum number of values, where an object or an array counts as four: some tens of milliseconds of parsing. */
export const jsonWeightMax = 1_000_000;
const containerWeight = 4;

export function isTooHeavyJson(bytes: Uint8Array): boolean {
  if (bytes.length * containerWeight <= jsonWeightMax) return false;
  let weight = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === comma) weight++;
    else if (byte === openBrace || byte === openBracket) weight += containerWeight;
    else if (byte === quote) at = endOfText(bytes, at);
    else continue;
    if (weight > jsonWeightMax) return true;
  }
  return false;
}

function endOfText(bytes: Uint8Array, from: number): number {
  let at = from + 1;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
