/**
 * Every kind of problem that the HTTP and WebSocket doors answer with (RFC 9457): its stable code, status, title, and the
 * text of the page that its `type` points to. Codes and statuses never change; titles and texts may.
 */
export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** The same request may succeed later without any change. */
  readonly retryable: boolean;
  /** Unless the answer says otherwise. */
  readonly sideEffects: SideEffects;
  readonly about: string;
}

/** The part of a request that took effect. */
export type SideEffects = 'none' | 'unknown' | 'partial';

function kind(status: number, title: string, about: string, more: Partial<ProblemKind> = {}): ProblemKind {
  return { status, title, about, retryable: false, sideEffects: 'none', ...more };
}

const retry = { retryable: true } as const;

export const problemKinds = {
  'invalid-request': kind(400, 'Invalid request', 'A field or parameter is wrong; `field` names it.'),
  'invalid-json': kind(400, 'Invalid JSON', 'The body is not JSON, or not UTF-8; `detail` says where.'),
  'invalid-record': kind(
    400,
    'Invalid record',
    'A record or record batch was refused: its checksum, layout or timestamp is wrong.',
  ),
  'cursor-invalid': kind(400, 'Invalid cursor', 'Pass a cursor exactly as it was returned.'),
  unauthenticated: kind(
    401,
    'Not authenticated',
    'Send `Authorization: Bearer <API key>`, or Basic with key id and API key. The key may be unknown, revoked or expired.',
  ),
  forbidden: kind(403, 'Forbidden', 'The credentials are right, but the cluster is suspended or being deleted.'),
  'not-found': kind(404, 'Not found', 'The path, topic, group or cursor does not exist in this cluster.'),
  'method-not-allowed': kind(405, 'Method not allowed', 'The path exists with other methods: see the Allow header.'),
  'not-acceptable': kind(406, 'Not acceptable', 'This path offers none of the types in the Accept header.'),
  'records-unreadable': kind(
    406,
    'Records cannot be read',
    'A producer stored a batch whose records are damaged inside. Continue at `next_offset`, or read record batches.',
  ),
  'already-exists': kind(409, 'Already exists', 'Something of this name already exists.'),
  'not-empty': kind(409, 'Not empty', 'It cannot be deleted while it still holds something: see `detail`.'),
  'epoch-mismatch': kind(
    409,
    'Topic was created again',
    'The cursor belongs to a topic of this name that was deleted. Start again with `from`.',
  ),
  'sequence-conflict': kind(
    409,
    'Sequence does not follow',
    'A numbered request is neither the next one of its producer in this partition nor one of its last five. Nothing was applied; `detail` says which sequence is expected.',
  ),
  'sequence-early': kind(
    409,
    'Sequence before the first',
    'A producer id of `POST /v1/producers` is new, and its sequence 0 has not come to this partition yet. Nothing was applied; the request may be repeated once sequence 0 is stored.',
    retry,
  ),
  'group-not-empty': kind(409, 'Group has members', 'A group can be deleted when its last member has left.'),
  'offset-expired': kind(
    410,
    'Offset expired',
    'Retention has deleted the records at this position. `earliest` has the first offsets that remain.',
  ),
  'body-too-large': kind(
    413,
    'Body too large',
    'The body, before or after decompression, is over the limit that `detail` names.',
  ),
  'record-too-large': kind(
    413,
    'Record too large',
    'The record does not fit in a batch of this topic (max.message.bytes) or cluster.',
  ),
  'unsupported-media-type': kind(
    415,
    'Unsupported media type',
    'The Content-Type or Content-Encoding is not one that the path takes.',
  ),
  'offset-beyond-end': kind(
    416,
    'Offset beyond the end',
    'No record has this offset yet. `clamp=true` starts at the end instead.',
  ),
  'upgrade-required': kind(426, 'WebSocket only', 'The path is a WebSocket endpoint: send an upgrade request.'),
  'quota-exceeded': kind(
    429,
    'Quota exceeded',
    '`quota` names the limit of the cluster. With `retry_after_ms` the request may be repeated after that time.',
  ),
  'head-too-large': kind(
    431,
    'Request head too large',
    'The request line and the headers are larger than the server accepts. Send less in the path, the query or the headers.',
  ),
  overloaded: kind(
    503,
    'Overloaded',
    'The server has too much to do: a queue is full. Nothing was applied: try again.',
    retry,
  ),
  'owner-unavailable': kind(
    503,
    'Partition unavailable',
    'The partition has had no owner for longer than requests are held back. Nothing was applied: try again.',
    retry,
  ),
  'records-unavailable': kind(
    503,
    'Records unavailable',
    'The records at this position cannot be read at the moment: their segment is damaged, missing or out of reach, and the operator has been told. Records written since then can be read from their own offset on.',
    retry,
  ),
  'storage-full': kind(
    507,
    'Storage full',
    'The disk of the partition’s broker is full. Nothing was applied. Reads still work, and writes will as soon as there is room.',
    retry,
  ),
  'shutting-down': kind(503, 'Shutting down', 'This gateway is stopping: connect again.', retry),
  'no-controller': kind(
    503,
    'No controller',
    'The request is saved, and no controller is running to carry it out. The next one will: do not repeat it.',
    { sideEffects: 'partial' },
  ),
  'store-unavailable': kind(
    503,
    'Metadata store unavailable',
    'The change could not be stored. Nothing was applied: try again.',
    retry,
  ),
  'outcome-unknown': kind(
    504,
    'Outcome unknown',
    'The request may or may not have taken effect: its answer was lost. Repeating it may store records twice, unless its sender numbers them (Producer-Id).',
    {
      retryable: true,
      sideEffects: 'unknown',
    },
  ),
  internal: kind(500, 'Internal error', 'A bug in Headgate: search its log for the value of `instance`.', {
    sideEffects: 'unknown',
  }),
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type ProblemCode = keyof typeof problemKinds;

/** The page behind `type`; undefined for a code that does not exist. */
export function problemPage(code: string): string | undefined {
  if (!Object.hasOwn(problemKinds, code)) return undefined;
  const { status, title, about, retryable, sideEffects } = problemKinds[code as ProblemCode];
  const usual = `code: ${code}\nstatus: ${status}\nretryable: ${retryable}\nside effects: ${sideEffects}`;
  const own = 'An answer may differ: its own `retryable` and `side_effects` count.';
  return `${title}\n\n${usual}\n\n${about}\n${own}\n`;
}
