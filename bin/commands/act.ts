/** Commands that ask the control plane for one action on one object and report the result. */
import type { Command } from 'commander';
import type { OpenSession } from '../client/session.ts';

export interface Act<Answer extends object> {
  readonly name: string;
  readonly description: string;
  /** The object, as the usage shows it: `<id>`. */
  readonly argument: string;
  path(thing: string): string;
  /** For people; scripts get the answer. */
  done(thing: string, answer: Answer): string;
}

export function actCommand<Answer extends object>(parent: Command, open: OpenSession, act: Act<Answer>): void {
  parent
    .command(act.name)
    .description(act.description)
    .argument(act.argument)
    .action(async (thing: string, _, command: Command) => {
      const session = open(command);
      const answer = await session.admin.post<Answer>(act.path(thing));
      await session.done(answer, act.done(thing, answer));
    });
}
