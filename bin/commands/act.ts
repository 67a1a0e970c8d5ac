/** Commands that ask the control plane for one action on one object and report the result. */
import type { Command } from 'commander';
import { CommandFailure } from '../command-failure.ts';
import type { OpenSession } from '../client/session.ts';

export interface Act<Answer extends object> {
  readonly name: string;
  readonly description: string;
  /** The object, as the usage shows it: `<id>`. */
  readonly argument: string;
  path(thing: string): string;
  /** For people; scripts get the answer. */
  done(thing: string, answer: Answer): string;
  /** If the work is not complete, the command fails, so that a script does not continue as if it were. */
  undone?(thing: string, answer: Answer): string | undefined;
}

export function actCommand<Answer extends object>(parent: Command, open: OpenSession, act: Act<Answer>): void {
  parent
    .command(act.name)
    .description(act.description)
    .argument(act.argument)
    .action(async (thing: string, _, command: Command) => {
      const session = open(command);
      const answer = await session.admin.post<Answer>(act.path(thing));
      const undone = act.undone?.(thing, answer);
      if (undone === undefined || session.isJson) await session.done(answer, act.done(thing, answer));
      if (undone !== undefined) throw new CommandFailure('failed', undone);
    });
}

/** Undefined: nothing is left. `where`: 'broker 2' or 'zone b'. */
export function leftBehind(where: string, partitions: number): string | undefined {
  if (partitions === 0) return undefined;
  return `${where} takes no more partitions, but ${partitions} are left: no other broker could take them`;
}
