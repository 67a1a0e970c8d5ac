/** The side of a load generator that talks to load.ts over IPC. */
import { once } from 'node:events';
import type { LoadResult } from './load.ts';

/** The specification, with which load.ts begins. A command line has no room for large bodies. */
export async function given<Spec>(): Promise<Spec> {
  const [spec] = (await once(process, 'message')) as [Spec];
  return spec;
}

/** Calls `run` for each run that is asked for, and sends its result. */
export function onRun(run: (seconds: number) => Promise<LoadResult>): void {
  process.on('message', ({ seconds }: { readonly seconds: number }) => {
    void run(seconds).then((result) => process.send?.(result));
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
}

export function fail(reason: string): never {
  process.stderr.write(`load generator: ${reason}\n`);
  process.exit(1);
}
