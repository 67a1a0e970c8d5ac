/** How often a segment file is synced while it is written. Tests in infra/segments show that it keeps its bytes. */
import { expect, it } from 'vitest';
import { directorySegments } from './directory-segments.ts';
import { MemoryDisk } from '../disk/memory-disk.ts';

async function syncsOf(unsyncedBytesMax: number): Promise<number> {
  let syncs = 0;
  const disk = new MemoryDisk({
    latency: async (call) => {
      if (call === 'datasync') syncs++;
    },
  });
  const writer = directorySegments(disk, '/segments', unsyncedBytesMax).create('b000001-e0000000001-00000000-02ff152c');
  for (let slice = 0; slice < 8; slice++) await writer.write([Buffer.alloc(300), Buffer.alloc(100)]);
  await writer.commit();
  return syncs;
}

it('syncs a file after every so many bytes, and always at its end', async () => {
  expect(await syncsOf(800)).toBe(4 + 1);
  expect(await syncsOf(100_000)).toBe(1);
});
