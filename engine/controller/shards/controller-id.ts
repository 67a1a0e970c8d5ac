/** Controller ids: a name for operators, made unique by a random suffix. */
import type { Random } from '../../kernel/random.ts';
import { uuidOf, uuidText } from '../../kernel/uuid.ts';
import type { ControllerProcesses } from './members.ts';

const lettersOfChance = 10;

export function controllerIdOf(name: string, random: Random): string {
  return `${name}-${uuidText(uuidOf(random)).slice(0, lettersOfChance)}`;
}

/** What the operating system knows about controllers' processes, by controller name. */
export interface KnownNames {
  /** Whether the process has ended. Absent: only leases tell. */
  isNameGone?(name: string): boolean;
  /** Whether it is stopped by a signal. */
  isNameStopped?(name: string): boolean;
}

/** Whether the process of a controller other than `own` is known to have ended, by its id. */
export function goneById(known: Pick<KnownNames, 'isNameGone'>, own?: string): (controllerId: string) => boolean {
  return (id) => id !== own && (known.isNameGone?.(nameIn(id)) ?? false);
}

/** As `goneById`, plus whether the process is stopped. */
export function processesById(known: KnownNames, own?: string): ControllerProcesses {
  return {
    isGone: goneById(known, own),
    isStopped: (id) => id !== own && (known.isNameStopped?.(nameIn(id)) ?? false),
  };
}

function nameIn(id: string): string {
  return id.slice(0, -lettersOfChance - 1);
}
