/** Ids of controllers: a name for operators, made unique by a random end. */
import type { Random } from '../../kernel/random.ts';
import { uuidOf, uuidText } from '../../kernel/uuid.ts';

const lettersOfChance = 10;

export function controllerIdOf(name: string, random: Random): string {
  return `${name}-${uuidText(uuidOf(random)).slice(0, lettersOfChance)}`;
}

export function nameOfController(controllerId: string): string {
  return controllerId.slice(0, -lettersOfChance - 1);
}
