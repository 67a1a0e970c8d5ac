/**
 * Before every test file: names it in the process list, with the age of its process, which may have run other files before.
 * The hang watch judges by that how long the file takes, and a person sees in `ps` what runs. Short: Linux gives a title no
 * more room than the command line had.
 */
import { basename } from 'node:path';
import { expect } from 'vitest';

process.title = `vitest ${Math.floor(process.uptime())} ${basename(expect.getState().testPath ?? '')}`;
