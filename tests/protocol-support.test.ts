/** docs/protocol-support.md, the handlers' headers and the offered versions say the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { apiByKey } from '../engine/protocol/apis.ts';
import { servedVersions } from '../engine/protocol/versions.ts';
import { apis } from '../gateway/kafka/apis.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = readFileSync(join(root, 'docs/protocol-support.md'), 'utf8');
const folder = join(root, 'gateway/kafka/api');

interface Row {
  readonly key: number;
  readonly name: string;
  readonly versions: string;
}

const offered: Row[] = [...servedVersions.values()].map(({ key, min, max }) => ({
  key,
  name: apiByKey.get(key)!.name,
  versions: min === max ? String(min) : `${min}-${max}`,
}));

describe('protocol support', () => {
  it('is documented as offered', () => {
    const rows = [...page.matchAll(/^\| (\d+) \| (\w+) \| ([\d-]+) \|/gm)];
    const documented = rows.map(
      ([, key, name, versions]): Row => ({ key: Number(key), name: name!, versions: versions! }),
    );
    expect(documented).toEqual(offered);
  });

  it('is offered as handled', () => {
    const handled = [...apis.values()].map(
      ({ key, from, to }): Row => ({
        key,
        name: apiByKey.get(key)!.name,
        versions: from === to ? String(from) : `${from}-${to}`,
      }),
    );
    expect(handled).toEqual(offered);
  });

  it('names in every handler the versions that it serves', () => {
    const headers = readdirSync(folder)
      .filter((file) => /^\d\d-.*\.ts$/.test(file) && !file.endsWith('.test.ts'))
      .sort()
      .map((file): Row => {
        const source = readFileSync(join(folder, file), 'utf8');
        const match = /^\/\*\*[\s*]*(\w+) \(key (\d+)\): v(\d+)(?:-v(\d+))?/.exec(source);
        if (!match) throw new Error(`${file} does not open with its contract`);
        const [, name, key, from, to] = match;
        return { key: Number(key), name: name!, versions: to === undefined ? from! : `${from}-${to}` };
      });
    expect(headers).toEqual(offered);
  });
});
