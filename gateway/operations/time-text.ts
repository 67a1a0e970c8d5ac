/** Times in requests: RFC 3339, with their zone. Without one they would mean the gateway's own. */

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[-+]\d\d:\d\d)$/;

/** Milliseconds since 1970, below 0 before; NaN for anything that is not such a time. */
export function timeOf(text: string): number {
  return rfc3339.test(text) ? Date.parse(text) : Number.NaN;
}
