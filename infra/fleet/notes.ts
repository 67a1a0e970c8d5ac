/**
 * Notes of broker processes in the folder of sockets: empty files with the process id in their names. They say only where to
 * look, because to look at all processes takes long; what a note says is looked at before it is believed.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A child of who started it, or one that outlives it. */
export type NoteKind = 'process' | 'detached';

/** Where there is no room for a note, its broker serves as well without, and its lease decides. */
export function noteProcess(notes: string, kind: NoteKind, pid: number): void {
  try {
    writeFileSync(notePath(notes, kind, pid), '', { mode: 0o600 });
  } catch {
    // As said.
  }
}

/** It is reaped. */
export function forgetProcess(notes: string, kind: NoteKind, pid: number): void {
  try {
    rmSync(notePath(notes, kind, pid), { force: true });
  } catch {
    // As on a disk that is read-only by now.
  }
}

export function notedProcesses(notes: string, kind: NoteKind): number[] {
  try {
    return readdirSync(notes)
      .filter((name) => /^\d{1,10}$/.test(name.slice(kind.length + 1)) && name.startsWith(`${kind}-`))
      .map((name) => Number(name.slice(kind.length + 1)));
  } catch {
    return [];
  }
}

function notePath(notes: string, kind: NoteKind, pid: number): string {
  return join(notes, `${kind}-${pid}`);
}
