/** Like run.ts, for `headgate serve` alone and without the other commands: after a crash clients wait for it to load. */
import { Command } from 'commander';
import type { CliContext } from '../cli-context.ts';
import { showExamples } from '../examples.ts';
import { runProgram, tellThrough } from '../run-program.ts';
import { serveCommand } from './serve.ts';

/** `words` begin with `serve`. `brokerProgram`: see startFleet. */
export function runServe(
  cli: CliContext,
  words: readonly string[],
  brokerProgram: readonly string[],
): Promise<number | undefined> {
  const program = tellThrough(new Command('headgate'), cli);
  serveCommand(program, brokerProgram);
  showExamples(program);
  return runProgram(program, cli, words);
}
