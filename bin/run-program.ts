/** Runs one command line of a program to its exit code. */
import { type Command, CommanderError } from 'commander';
import { Failure } from '../engine/kernel/failure.ts';
import type { CliContext } from './cli-context.ts';
import { CommandFailure, exitCodes } from './command-failure.ts';

/** `words` without the program itself. Undefined: the command keeps running (serve). */
export async function runProgram(
  program: Command,
  cli: CliContext,
  words: readonly string[],
): Promise<number | undefined> {
  try {
    await program.parseAsync(words, { from: 'user' });
    return words[0] === 'serve' ? undefined : exitCodes.ok.code;
  } catch (error) {
    // commander has already printed the error or the requested help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
    if (error instanceof CommandFailure) {
      if (error.message) cli.err(`headgate: ${error.message}\n`);
      return exitCodes[error.exit].code;
    }
    if (error instanceof Failure) {
      cli.err(`headgate: ${error.message}\n`);
      return exitCodes.usage.code;
    }
    if (cli.environment['HEADGATE_TRACE'] && error instanceof Error) cli.err(`${error.stack}\n`);
    cli.err(`headgate: ${error instanceof Error ? error.message : error}\n`);
    return exitCodes.failed.code;
  }
}

/** Before any subcommand is created: they inherit both. */
export function tellThrough(program: Command, cli: Pick<CliContext, 'out' | 'err'>): Command {
  return program
    .exitOverride()
    .configureOutput({ writeOut: (text) => void cli.out(text), writeErr: (text) => cli.err(text) });
}
