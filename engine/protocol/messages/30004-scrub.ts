/** Scrub (key 30004, Headgate's own): controls a broker's scrub of its stored data and reports its progress. */
import { int32, int64, int8, message, string, type Infer } from '../schema.ts';

export const scrubRequest = message('ScrubRequest', 30004, '0', '0+', {
  /** 0 report, 1 start a pass, 2 pause, 3 resume. */
  act: int8(),
});
export type ScrubRequest = Infer<typeof scrubRequest>;

export const scrubResponse = message('ScrubResponse', 30004, '0', '0+', {
  /** off, waiting, running, paused. */
  state: string('opaque'),
  passes: int32(),
  /** Files checked in this pass, or the last one, and the total. */
  files: int32(),
  filesOfPass: int32(),
  /** Since the session began, like the next two. */
  bytes: int64(),
  damaged: int32(),
  unread: int32(),
  /** Wall clock; -1 before the first pass has ended. */
  lastPassEndedAtMs: int64(),
});
export type ScrubResponse = Infer<typeof scrubResponse>;
