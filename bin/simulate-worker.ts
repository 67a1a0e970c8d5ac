/** One of the threads of `headgate simulate --workers`: runs the seeds that it is given, one at a time. */
import { parentPort } from 'node:worker_threads';
import { runSeed, type SeedOptions } from './simulate-seed.ts';

parentPort!.on('message', (options: SeedOptions) => {
  void runSeed(options).then((result) => parentPort!.postMessage(result));
});
