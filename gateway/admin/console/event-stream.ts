/**
 * The engine's events as they happen, across reconnects. EventSource cannot send the Authorization header, so the stream is
 * read with fetch; server-sent events are lines, and the next connection continues at Last-Event-ID.
 */
import type { EventShown } from '../schemas.ts';

const reconnectMs = 1_000;

/** Takes text as it arrives and returns the data of each whole event. Pure except for the unfinished line that it keeps. */
export function eventReader(): (text: string) => EventShown[] {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    return lines
      .filter((line) => line.startsWith('data:'))
      .map((line) => JSON.parse(line.slice('data:'.length)) as EventShown);
  };
}

export interface FollowOptions {
  /** Throws when the key is refused. */
  open(lastEventId: string, signal: AbortSignal): Promise<Response>;
  readonly after: string;
  readonly signal: AbortSignal;
  onEvent(event: EventShown): void;
  onState(isLive: boolean): void;
}

/** Resolves when `signal` is aborted. */
export async function followEvents(options: FollowOptions): Promise<void> {
  const { signal } = options;
  let last = options.after;
  while (!signal.aborted) {
    try {
      const response = await options.open(last, signal);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      const read = eventReader();
      options.onState(true);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        for (const event of read(value)) {
          last = event.id;
          options.onEvent(event);
        }
      }
    } catch {
      // The network or the server is unavailable: the loop below retries.
    }
    if (signal.aborted) return;
    options.onState(false);
    await new Promise((resolve) => setTimeout(resolve, reconnectMs));
  }
}
