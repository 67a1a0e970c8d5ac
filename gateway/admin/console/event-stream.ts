/**
 * The engine's events as they happen, over reconnects. EventSource cannot send the Authorization header, so the stream is
 * read with fetch; server-sent events are lines, and Last-Event-ID is where the next connection goes on.
 */
import type { EventShown } from '../schemas.ts';

const reconnectMs = 1_000;

/** Takes text as it comes and gives the data of each whole event. Pure but for what it keeps of an unfinished line. */
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
      // The network or the server is away: it is tried again below.
    }
    if (signal.aborted) return;
    options.onState(false);
    await new Promise((resolve) => setTimeout(resolve, reconnectMs));
  }
}
