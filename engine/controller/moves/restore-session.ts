/**
 * Restores the row of a slot's session where it is damaged. Only the slot's keeper does so, by a write conditional on the
 * row's version, from the first of:
 *
 *   what this controller has read of the same version   it is what the row said
 *   the session's lease, which names its epoch           lapsed: the row then says 'fenced'
 *                                                        renewed for a while: 'serving', by an unknown process, until
 *                                                        the broker puts itself in (engine/broker/session.ts)
 *
 * The second may say that a session is still to be recovered which was already closed. Its log is then gone, or holds
 * nothing that is not published.
 */
import { type Row, StoreConflict, type StoreOp } from '../../ports.ts';
import { RowCorrupt, unlessDamaged } from '../../store-row-json.ts';
import { getSurely, transactSurely } from '../../store-surely.ts';
import { type BrokerView, noteSession } from '../brokers/brokers.ts';
import type { ControllerContext } from '../context.ts';
import {
  type BrokerSession,
  brokerSessionKey,
  decodeBrokerSession,
  encodeBrokerSession,
  unknownPid,
} from '../rows/broker-session.ts';
import { decodeLease } from '../rows/lease.ts';

export interface ReadSession {
  readonly row: Row | undefined;
  readonly session: BrokerSession | undefined;
}

/** The slot's session row, restored from memory when it is damaged. Throws RowCorrupt, and the store's failures. */
export async function readSession(
  context: ControllerContext,
  view: BrokerView,
  waitMsMax?: number,
): Promise<ReadSession> {
  const row = await getSurely(context.persistence, brokerSessionKey(view.slot.brokerId), waitMsMax);
  const session = row && unlessDamaged(row, decodeBrokerSession);
  if (!row || session) return { row, session };
  const restored = await restoreKnown(context, view, row);
  if (restored) return restored;
  throw new RowCorrupt(row, 'the session of a broker is damaged, and nothing in memory tells what it was');
}

/** Undefined when the row's version is not the one in memory, or has just changed. */
export async function restoreKnown(
  context: ControllerContext,
  view: BrokerView,
  row: Row,
): Promise<{ readonly row: Row; readonly session: BrokerSession } | undefined> {
  const { session } = view;
  if (!session || view.version !== row.version) return undefined;
  const written = await write(context, view, row, session, []);
  return written && { row: written, session };
}

/**
 * For a session of which only the lease is left. 'fenced': on condition that the lease has not been renewed since it was
 * seen to lapse. Throws RowCorrupt when the lease is missing or damaged as well.
 */
export async function restoreByLease(
  context: ControllerContext,
  view: BrokerView,
  row: Row,
  leaseRow: Row | undefined,
  state: 'fenced' | 'serving',
): Promise<void> {
  const lease = leaseRow && unlessDamaged(leaseRow, decodeLease);
  if (!leaseRow || !lease) {
    throw new RowCorrupt(
      row,
      'the session of a broker and its lease are both damaged: restore the metadata store from a backup',
    );
  }
  const { brokerId, zone, volume, address } = view.slot;
  const pid = unknownPid;
  const session: BrokerSession = { brokerId, epoch: lease.epoch, state, zone, volume, address, pid };
  const unrenewed: StoreOp = {
    op: 'check',
    key: { pk: leaseRow.pk, sk: leaseRow.sk },
    if: { version: leaseRow.version },
  };
  await write(context, view, row, session, state === 'fenced' ? [unrenewed] : []);
}

async function write(
  context: ControllerContext,
  view: BrokerView,
  row: Row,
  session: BrokerSession,
  checks: readonly StoreOp[],
): Promise<Row | undefined> {
  const { brokerId } = view.slot;
  const key = brokerSessionKey(brokerId);
  const value = encodeBrokerSession(session);
  try {
    await transactSurely(context.persistence, [{ op: 'put', key, value, if: { version: row.version } }, ...checks]);
  } catch (failure) {
    if (failure instanceof StoreConflict) return undefined;
    throw failure;
  }
  const written = { ...key, value, version: row.version + 1 };
  noteSession(view, written);
  const { epoch, state } = session;
  context.events.emit('row-restored', 'the row of the session was damaged', { brokerId, epoch, state });
  return written;
}
