/**
 * Changes to rows as read, decide, write on condition; repeated with fresh rows when another process was first. Updating
 * memory is left to the caller, after the change is durable.
 */
import { Overloaded } from '../engine/kernel/failure.ts';
import { StoreConflict } from '../engine/ports.ts';

/** This many conflicts mean that dozens of processes change one row without pause. */
const conflictsMax = 100;

/** Repeats `attempt` until it meets no StoreConflict. Throws what `attempt` throws, and Overloaded. */
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
