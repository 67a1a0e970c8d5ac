/** Runs one command line to its exit code. */
import { CommanderError } from 'commander';
import { Failure } from '../engine/kernel/failure.ts';
import type { CliContext } from './cli-context.ts';
import { CommandFailure, exitCodes } from './command-failure.ts';
import { createProgram } from './program.ts';

/** `words` without the program itself. Undefined: the command goes on after this (serve). */
export async function run(cli: CliContext, words: readonly string[]): Promise<number | undefined> {
  const program = createProgram(cli);
  try {
    await program.parseAsync(words, { from: 'user' });
    return words[0] === 'serve' ? undefined : exitCodes.ok.code;
  } catch (error) {
    // commander has said what is wrong, or has shown the help that was asked for.
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
