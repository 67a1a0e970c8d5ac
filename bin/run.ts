/** Runs one command line to its exit code. */
import type { CliContext } from './cli-context.ts';
import { createProgram } from './program.ts';
import { runProgram } from './run-program.ts';

/** `words` without the program itself. Undefined: the command keeps running (serve). */
export function run(cli: CliContext, words: readonly string[]): Promise<number | undefined> {
  return runProgram(createProgram(cli), cli, words);
}
