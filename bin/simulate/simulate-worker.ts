/** One of the processes of `headgate simulate --workers`: runs the seeds that it receives, one at a time. */
import { runSeed, type SeedOptions } from './simulate-seed.ts';

process.on('message', (options: SeedOptions) => {
  void runSeed(options).then((result) => process.send!(result));
});
process.on('disconnect', () => process.exit());
