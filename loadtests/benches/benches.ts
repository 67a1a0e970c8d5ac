/** Every bench, in the order of a full run. */
import type { Bench } from '../compare/bench.ts';
import { httpProduce } from './http-produce.ts';

export const benches: readonly Bench[] = [httpProduce];
