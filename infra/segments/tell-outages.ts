/**
 * Tells an operator when a segment store stops answering, and when it answers again. Its callers retry by themselves, and
 * for minutes the only other sign would be growing memory.
 */
import type { Clock } from '../../engine/kernel/clock.ts';
import { type SegmentFile, type SegmentStore, SegmentsUnavailable } from '../../engine/ports.ts';

/** Between two messages about the same outage. */
const repeatMs = 60_000;

interface Outage {
  readonly sinceMs: number;
  toldMs: number;
}

/** For a store without pieces: a store on this machine has no outages. */
export function tellOutages(store: SegmentStore, clock: Clock, warn: (text: string) => void): SegmentStore {
  let outage: Outage | undefined;
  const failed = ({ message }: SegmentsUnavailable): void => {
    const nowMs = clock.monotonicMs();
    outage ??= { sinceMs: nowMs, toldMs: -Infinity };
    if (nowMs - outage.toldMs < repeatMs) return;
    outage.toldMs = nowMs;
    warn(`the segment store cannot be reached; retrying until it answers: ${message}`);
  };
  const succeeded = (): void => {
    if (!outage) return;
    warn(`the segment store answers again, after ${Math.round((clock.monotonicMs() - outage.sinceMs) / 1000)} s`);
    outage = undefined;
  };
  const watched = async <T>(asked: Promise<T>): Promise<T> => {
    try {
      const answer = await asked;
      succeeded();
      return answer;
    } catch (error) {
      if (error instanceof SegmentsUnavailable) failed(error);
      throw error;
    }
  };
  return {
    create(fileId) {
      const writer = store.create(fileId);
      return {
        write: (parts) => writer.write(parts),
        commit: () => watched(writer.commit()),
        abort: () => writer.abort(),
      };
    },
    open(fileId, use) {
      const file = store.open(fileId, use);
      // A read may be answered from memory, which proves nothing about the store.
      const onFailure = <T>(asked: Promise<T>): Promise<T> =>
        asked.catch((error: unknown) => {
          if (error instanceof SegmentsUnavailable) failed(error);
          throw error;
        });
      const seen: SegmentFile = {
        sizeBytes: () => watched(file.sizeBytes()),
        read: (target, position) => onFailure(file.read(target, position)),
        close: () => file.close(),
      };
      return seen;
    },
    reread: (fileId) => store.reread?.(fileId),
    remove: (fileId) => watched(store.remove(fileId)),
    list: () => watched(store.list()),
    nameOf: (fileId) => store.nameOf(fileId),
  };
}
