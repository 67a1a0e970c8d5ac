/**
 * damage   one per place in a segment file where a scrub found something other than what was written. Key: DAMAGE,
 * <fileId>@<position, 16 hex digits>. Value: {what, topicId?, partition?, fromOffset?, toOffset?, foundAtMs}. Deleted when
 * the file is found whole again (somebody restored it) or no longer exists.
 */
import type { RowKey } from '../../ports.ts';
import type { Damage } from '../segments/verify-file.ts';
import { rowText, soundText } from '../../store-row-checksum.ts';

export interface DamageRow extends Damage {
  readonly fileId: string;
  readonly foundAtMs: number;
}

export const damagePk = 'DAMAGE';

export function damageKey(fileId: string, position: number): RowKey {
  return { pk: damagePk, sk: `${fileId}@${position.toString(16).padStart(16, '0')}` };
}

export function encodeDamage({ what, topicId, partition, fromOffset, toOffset, foundAtMs }: DamageRow): string {
  return rowText({ what, topicId, partition, fromOffset, toOffset, foundAtMs });
}

export function decodeDamage(sk: string, value: string): DamageRow {
  const at = sk.lastIndexOf('@');
  return { fileId: sk.slice(0, at), position: Number.parseInt(sk.slice(at + 1), 16), ...foundIn(value) };
}

/** Of a row that cannot be read the key alone says enough; the next look at the file writes it again. */
function foundIn(value: string): Omit<DamageRow, 'fileId' | 'position'> {
  try {
    const found = JSON.parse(soundText(value) ?? '') as Omit<DamageRow, 'fileId' | 'position'> | null;
    if (typeof found?.what === 'string') return found;
  } catch {
    // Not JSON.
  }
  return { what: 'damage whose description cannot be read', foundAtMs: 0 };
}
