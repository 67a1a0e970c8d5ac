import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { directorySegments } from '../../engine/log/segments/directory-segments.ts';
import { systemDisk } from '../disk/system-disk.ts';
import { segmentStoreSuite } from './segment-store.suite.ts';

describe('segments in a directory', () => {
  let root = '';
  beforeAll(() => void (root = mkdtempSync(join(tmpdir(), 'segments-'))));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  segmentStoreSuite(() => directorySegments(systemDisk, join(root, 'segments')));
});
