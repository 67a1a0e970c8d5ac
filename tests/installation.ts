/** Whole installations for tests: the compiled program in its own processes, over a folder of its own. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Instance, type InstanceOptions } from '../bin/demo/instance.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The compiled bin/main.js. */
export const program = join(root, 'dist', 'bin', 'main.js');

export function startInstallation(
  flags: readonly string[] = [],
  data?: string,
  within?: InstanceOptions['within'],
): Promise<Instance> {
  return Instance.start({ program, flags, ...(data === undefined ? {} : { data }), ...(within ? { within } : {}) });
}
