/** Before every test file: frames given back to their pool are overwritten, so that no test passes on a view of one. */
import { framePool } from '../engine/kernel/frame-pool.ts';

framePool.configure({ poisons: true, frameBytesMin: 1 });
