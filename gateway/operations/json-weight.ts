/**
 * How much a JSON text has in it, before it is parsed: a byte or two for each of millions of values make objects for seconds,
 * in one turn of the event loop, and a thousand bytes of memory for ten that were sent. Texts are passed over, whatever is in
 * them; whether it is JSON at all is the parser's to say.
 */
const quote = 0x22;
const comma = 0x2c;
const openBracket = 0x5b;
const backslash = 0x5c;
const openBrace = 0x7b;

/** Values, of which an object or an array is four: some tens of milliseconds of parsing. */
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
