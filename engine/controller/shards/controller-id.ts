/** Ids of controllers: a name for operators, made unique by a random end. */
import type { Random } from '../../kernel/random.ts';
import { uuidOf, uuidText } from '../../kernel/uuid.ts';

const lettersOfChance = 10;

export function controllerIdOf(name: string, random: Random): string {
  return `${name}-${uuidText(uuidOf(random)).slice(0, lettersOfChance)}`;
}

/** Whether the process of a controller other than `own` is known to have ended, by its id. */
export function goneById(
  known: { isNameGone?(name: string): boolean },
  own?: string,
): (controllerId: string) => boolean {
  return (id) => id !== own && (known.isNameGone?.(id.slice(0, -lettersOfChance - 1)) ?? false);
}
