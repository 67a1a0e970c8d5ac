import { expect, it } from 'vitest';
import { clusterId } from './cluster-id.ts';

it('a cluster id has 22 characters that no tool mistakes for a flag, whatever the bytes', () => {
  const ids = Array.from({ length: 256 }, (_, first) => clusterId(new Uint8Array(16).fill(first)));
  expect(ids.filter((id) => !/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/.test(id))).toEqual([]);
});
