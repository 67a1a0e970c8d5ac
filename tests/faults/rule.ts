/**
 * The fault that the disks of an installation under test have at the moment: a file that the test writes and every call to
 * a disk looks at, so that a fault counts from the very next call on, in whichever broker process that is.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Call = 'write' | 'datasync' | 'read' | 'measure';

export interface DiskRule {
  readonly on: readonly Call[];
  /** Part of the path: a broker's volume, the segments. */
  readonly path: string;
  readonly error: 'full' | 'io';
  /** For a write: how many bytes of it arrive first. */
  readonly afterBytes?: number;
  /** Met by one call alone. */
  readonly once?: boolean;
}

/** Names the folder of the rule and of the journals (power-loss.ts) to the broker processes. */
export const faultsFolderVariable = 'HEADGATE_TEST_FAULTS';

const file = (folder: string): string => join(folder, 'rule.json');

export function setRule(folder: string, rule: DiskRule | undefined): void {
  if (!rule) return rmSync(file(folder), { force: true });
  const draft = `${file(folder)}.draft`;
  writeFileSync(draft, JSON.stringify(rule));
  renameSync(draft, file(folder));
}

/** The rule that this call meets, if any. One that counts once is taken away by whoever meets it first. */
export function metRule(folder: string, call: Call, path: string): DiskRule | undefined {
  let text: string;
  try {
    text = readFileSync(file(folder), 'utf8');
  } catch {
    return undefined;
  }
  const rule = JSON.parse(text) as DiskRule;
  if (!rule.on.includes(call) || !path.includes(rule.path)) return undefined;
  if (!rule.once) return rule;
  try {
    renameSync(file(folder), `${file(folder)}.met`);
    return rule;
  } catch {
    return undefined;
  }
}

/** Whether the rule that counts once has been met. */
export function wasMet(folder: string): boolean {
  try {
    readFileSync(`${file(folder)}.met`);
    rmSync(`${file(folder)}.met`);
    return true;
  } catch {
    return false;
  }
}
