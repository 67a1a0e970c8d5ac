/**
 * Tells operators about damaged rows that a controller, gateway or broker reads: once for each version of a row, whether the
 * damage was mended on reading or not. The readers decide what the damage costs; this only looks.
 */
import { logPkPrefix } from '../log/rows/log-state.ts';
import { segmentFilePk } from '../log/rows/segment-file.ts';
import type { MetadataStore, Row, RowChange } from '../ports.ts';
import { soundText } from '../store-row-checksum.ts';
import type { EventRing } from './events.ts';
import { brokerSessionsPk } from './rows/broker-session.ts';
import { fleetKey } from './rows/fleet.ts';
import { leasesPk } from './rows/lease.ts';
import { shardsPk } from './rows/shard.ts';

/** Beyond this number the oldest are forgotten, and told again. */
const toldMax = 1000;

const costs: Readonly<Record<string, string>> = {
  [brokerSessionsPk]: 'the keeper of the slot restores it, or recovery-failed says what is missing',
  [leasesPk]: 'its holder replaces it at the next renewal',
  [shardsPk]: 'the next owner of the shard replaces it',
  [segmentFilePk]: 'its file is kept, whether it is needed or not',
  [fleetKey.pk]: 'what was wanted before still is; ask again for what should change',
};
const costOfLogs = 'it is made again from the segment files, or the readers of its log get an error';
const costOfOthers = 'what it describes is out of reach until the metadata store is restored from a backup';

function costOf(pk: string): string {
  return costs[pk] ?? (pk.startsWith(logPkPrefix) ? costOfLogs : costOfOthers);
}

/** The same store, for whatever reads rows on behalf of the process that tells. */
export function noticedStore(store: MetadataStore, events: Pick<EventRing, 'emit'>): MetadataStore {
  const told = new Map<string, number>();
  const look = (row: Row): void => {
    const { pk, sk, value, version } = row;
    const sound = soundText(value);
    if (sound === value) return;
    const key = `${pk} ${sk}`;
    if (told.get(key) === version) return;
    told.delete(key);
    told.set(key, version);
    for (const oldest of told.keys()) {
      if (told.size <= toldMax) break;
      told.delete(oldest);
    }
    if (sound === undefined) events.emit('row-damaged', costOf(pk), { pk, sk, version });
    else events.emit('row-mended', 'one bit had changed in the metadata store', { pk, sk, version });
  };
  return {
    async get(key) {
      const row = await store.get(key);
      if (row) look(row);
      return row;
    },
    async range(pk, options) {
      const page = await store.range(pk, options);
      for (const row of page.rows) look(row);
      return page;
    },
    transact: (ops, token) => store.transact(ops, token),
    watch: (pk, onChange) =>
      store.watch(pk, (change: RowChange) => {
        if (change !== 'gap' && change.row) look(change.row);
        onChange(change);
      }),
    ...(store.refresh ? { refresh: () => store.refresh!() } : {}),
    close: () => store.close(),
  };
}
