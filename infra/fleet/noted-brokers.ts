/** The running brokers of one data folder that outlive their starters, found by their notes. */
import { basename } from 'node:path';
import { commandLine } from './command-line.ts';
import type { BrokerHome } from './leftovers.ts';
import { forgetProcess, notedProcesses } from './notes.ts';
import { isGone } from './process-state.ts';

/**
 * By the words that they were started with, wherever the program lay then; a note whose process has ended is taken away.
 *
 * @param program The script that they run.
 * @param brokerId Those of one slot; absent: of all.
 */
export function notedBrokers({ data, notes }: BrokerHome, program: string, brokerId?: number): number[] {
  const words = [`/${basename(program)} `, ` --data=${data} `];
  if (brokerId !== undefined) words.push(` --broker-id ${brokerId} `);
  return notedProcesses(notes, 'detached').filter((pid) => {
    if (isGone(pid)) {
      forgetProcess(notes, 'detached', pid);
      return false;
    }
    const line = `${commandLine(pid)} `;
    return words.every((each) => line.includes(each));
  });
}
