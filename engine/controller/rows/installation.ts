/**
 * Identifies the installation. Key: IDS INSTALLATION. Value: id, drawn once. Volumes carry it, so that a volume of
 * another installation is not mistaken for one of this installation that lost its contents.
 */
import { type Persistence, getSurely, transactSurely } from '../../store-surely.ts';
import { type Row, type RowKey, StoreConflict } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { RowCorrupt, rowFields, unlessDamaged } from '../../store-row-json.ts';

const installationKey: RowKey = { pk: 'IDS', sk: 'INSTALLATION' };
const idBytes = 8;

/**
 * The first caller draws the id. When its row is damaged, it is written again as `known` says: whoever starts an
 * installation can ask its volumes. Throws RowCorrupt and the store's failures.
 */
export async function installationId(
  persistence: Persistence,
  known: () => string | undefined = () => undefined,
): Promise<string> {
  const found = await getSurely(persistence, installationKey);
  if (found) return unlessDamaged(found, idIn) ?? (await restore(persistence, found, known()));
  const id = persistence.random.bytes(idBytes).toString('hex');
  try {
    await transactSurely(persistence, [
      { op: 'put', key: installationKey, value: rowText({ id }), if: { absent: true } },
    ]);
    return id;
  } catch (failure) {
    if (!(failure instanceof StoreConflict) || !failure.current) throw failure;
    return idIn(failure.current);
  }
}

async function restore(persistence: Persistence, row: Row, id: string | undefined): Promise<string> {
  if (id === undefined)
    throw new RowCorrupt(
      row,
      "the installation's id is damaged, and its volumes do not tell it: restore the metadata store from a backup",
    );
  const { version } = row;
  try {
    await transactSurely(persistence, [{ op: 'put', key: installationKey, value: rowText({ id }), if: { version } }]);
    return id;
  } catch (failure) {
    if (!(failure instanceof StoreConflict) || !failure.current) throw failure;
    return idIn(failure.current);
  }
}

function idIn(row: Row): string {
  return rowFields(row).text('id');
}
