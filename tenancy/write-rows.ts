/**
 * Changes to rows as read, decide, write-on-condition: run again with fresh rows when another process was first. What a
 * change does to memory is left to the caller, after it is durable.
 */
import { Overloaded } from '../engine/kernel/failure.ts';
import { StoreConflict } from '../engine/ports.ts';

/** Losing this often means that dozens of processes change one row without pause. */
const conflictsMax = 100;

/** Runs `attempt` until it meets no StoreConflict. Throws what it throws, and Overloaded. */
export async function untilNoConflict<T>(attempt: () => Promise<T>): Promise<T> {
  for (let conflicts = 0; conflicts < conflictsMax; conflicts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error;
    }
  }
  throw new Overloaded('too many changes of the same rows at once');
}
