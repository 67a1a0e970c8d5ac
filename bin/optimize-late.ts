/**
 * V8 compiles a function for speed once it has run for a while, on threads of its own. On a machine with few cores those
 * take the cores from whoever waits: in the recovery of a process that has never recovered, and in the first seconds of a
 * broker that takes over a thousand logs, they used as much CPU as the work itself, for code that was then run a few
 * hundred times more. Four times the wait costs a busy process a fraction of a second until it is as fast as ever.
 *
 * ADR 10 has the numbers, which are of Node 20: later versions have a compiler in between and other measures.
 */
import { setFlagsFromString } from 'node:v8';

/** Of executed bytecode, four times V8's own. */
const interruptBudgetBytes = 4 * 67_584;
const measuredV8 = /^11\./;

/**
 * Before the program is loaded, in every process that loads it and in the one that makes its compiled form: V8 refuses a
 * compiled form that was made under other flags.
 */
export function optimizeLate(): void {
  if (measuredV8.test(process.versions.v8)) setFlagsFromString(`--interrupt-budget=${interruptBudgetBytes}`);
}
