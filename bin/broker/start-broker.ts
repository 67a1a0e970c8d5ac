/** The script of a broker process where there are bundles: loads the program whose file is its first argument. */
import { assert } from '../../engine/kernel/assert.ts';
import type { runBrokerProgram } from './broker-program.ts';
import { loadBundle } from '../bundles/load-bundle.ts';

const [file] = process.argv.splice(2, 1);
assert(file !== undefined, 'whoever starts a broker names its program');
(loadBundle(file) as { readonly runBrokerProgram: typeof runBrokerProgram }).runBrokerProgram();
