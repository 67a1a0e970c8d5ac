/** Allowed names for tenants, clusters and keys, and allowed cluster settings. Checked before anything is written. */
import { InvalidRequest } from '../engine/kernel/failure.ts';

export const nameLengthMax = 64;
export const keyNameLengthMax = 128;
export const defaultPartitionsMax = 1_000;

/** Amazon MSK's rule for cluster names, used for tenants too. */
export const namePattern = /^[0-9A-Za-z][0-9A-Za-z-]*$/;

/** Throws InvalidRequest. */
export function checkName(field: string, name: string): void {
  if (name.length > nameLengthMax) {
    throw new InvalidRequest(field, `${field} has ${name.length} characters; at most ${nameLengthMax} are allowed`);
  }
  if (!namePattern.test(name)) {
    throw new InvalidRequest(
      field,
      `${field} may have only letters, digits and '-', and must start with a letter or digit`,
    );
  }
}

/** A note for people: any text on one line. Throws InvalidRequest. */
export function checkKeyName(name: string): void {
  if (name.length === 0 || name.length > keyNameLengthMax) {
    throw new InvalidRequest('name', `name must have 1 to ${keyNameLengthMax} characters`);
  }
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) {
    throw new InvalidRequest('name', 'name must not have control characters');
  }
}

/** Throws InvalidRequest. */
export function checkDefaultPartitions(count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > defaultPartitionsMax) {
    throw new InvalidRequest(
      'defaultPartitions',
      `defaultPartitions must be a whole number from 1 to ${defaultPartitionsMax}`,
    );
  }
}
