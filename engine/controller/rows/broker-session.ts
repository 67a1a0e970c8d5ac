/**
 * A broker's session, one row per slot. Key: BROKER <brokerId>. Value: epoch, state, zone, volume, address, pid. The
 * row changes only when the state does, and every write of the session is conditional on its version. Whoever changes
 * the row has therefore fenced the session.
 *
 *   (none) or closed -> serving -> draining -> closed          the broker's own writes
 *                       serving | draining -> fenced -> recovered -> closed  the controller's
 *
 * From `recovered` on, others may take the broker's partitions. The slot opens its next session only after `closed`.
 */
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { RowCorrupt, rowFields, unlessDamaged } from '../../store-row-json.ts';

const states: readonly string[] = ['serving', 'draining', 'fenced', 'recovered', 'closed'];

export type SessionState = 'serving' | 'draining' | 'fenced' | 'recovered' | 'closed';

export interface BrokerSession {
  readonly brokerId: number;
  /** Grows by one with each session of the slot; names the session's write-ahead log. */
  readonly epoch: number;
  readonly state: SessionState;
  readonly zone: string;
  readonly volume: string;
  readonly address: string;
  /** unknownPid in a row that a controller made again from the lease. */
  readonly pid: number;
}

/** Not known to have ended: only the lease tells. */
export const unknownPid = 0;

export const brokerSessionsPk = 'BROKER';

export function brokerSessionKey(brokerId: number): RowKey {
  return { pk: brokerSessionsPk, sk: String(brokerId) };
}

export function encodeBrokerSession(session: BrokerSession): string {
  const { epoch, state, zone, volume, address, pid } = session;
  return rowText({ epoch, state, zone, volume, address, pid });
}

/** Throws RowCorrupt. */
export function decodeBrokerSession(row: Row): BrokerSession {
  const fields = rowFields(row);
  if (!/^\d{1,9}$/.test(row.sk)) throw new RowCorrupt(row, 'the key is no broker id');
  const state = fields.text('state');
  if (!isState(state)) throw new RowCorrupt(row, `unknown state ${state}`);
  return {
    brokerId: Number(row.sk),
    epoch: fields.whole('epoch'),
    state,
    zone: fields.text('zone'),
    volume: fields.text('volume'),
    address: fields.text('address'),
    pid: fields.whole('pid'),
  };
}

/** Without the sessions whose rows are damaged: the keepers of their slots restore them. */
export function readableSessions(rows: readonly Row[]): BrokerSession[] {
  return rows.flatMap((row) => unlessDamaged(row, decodeBrokerSession) ?? []);
}

function isState(text: string): text is SessionState {
  return states.includes(text);
}
