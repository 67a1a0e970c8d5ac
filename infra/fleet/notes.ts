/**
 * Notes of broker processes in the folder of sockets: files with the process id in their names and, as content, the
 * namespace of that id. They only say where to look, because looking at all processes takes long; a note is verified before
 * it is believed.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pidNamespace } from './process-state.ts';

/** A child of its starter, or a process that outlives it. */
export type NoteKind = 'process' | 'detached';

/** When there is no room for a note, its broker serves without one, and its lease decides. */
export function noteProcess(notes: string, kind: NoteKind, pid: number): void {
  try {
    writeFileSync(notePath(notes, kind, pid), pidNamespace(), { mode: 0o600 });
  } catch {
    // As said.
  }
}

/** Called when it is reaped. */
export function forgetProcess(notes: string, kind: NoteKind, pid: number): void {
  try {
    rmSync(notePath(notes, kind, pid), { force: true });
  } catch {
    // As on a disk that is read-only by now.
  }
}

/** Notes whose ids are valid here: another container's notes are left alone. */
export function notedProcesses(notes: string, kind: NoteKind): number[] {
  return allNoted(notes, kind).filter((pid) => isOfHere(notePath(notes, kind, pid)));
}

/** Called when no process of another container is left. */
export function forgetElsewhere(notes: string): void {
  for (const kind of ['process', 'detached'] as const) {
    const pids = allNoted(notes, kind).filter((pid) => !isOfHere(notePath(notes, kind, pid)));
    for (const pid of pids) forgetProcess(notes, kind, pid);
  }
}

function allNoted(notes: string, kind: NoteKind): number[] {
  try {
    return readdirSync(notes)
      .filter((name) => /^\d{1,10}$/.test(name.slice(kind.length + 1)) && name.startsWith(`${kind}-`))
      .map((name) => Number(name.slice(kind.length + 1)));
  } catch {
    return [];
  }
}

/** An empty note is of an earlier version, or there was no room. */
function isOfHere(path: string): boolean {
  try {
    return ['', pidNamespace()].includes(readFileSync(path, 'utf8'));
  } catch {
    return true;
  }
}

function notePath(notes: string, kind: NoteKind, pid: number): string {
  return join(notes, `${kind}-${pid}`);
}
