/** Scrub (key 30004), Headgate's own. */
import { type LogStore, scrubActs } from '../../log/log.ts';
import type { ScrubRequest, ScrubResponse } from '../../protocol/messages/30004-scrub.ts';

export function scrub(logs: LogStore, { act }: ScrubRequest): ScrubResponse {
  return logs.scrub(scrubActs[act] ?? 'status');
}
