/**
 * One setup at a time: of two that install or compile at once, each reads what the other has half written, and reports
 * errors in code that has none. The lock is a file that names its holder by process id and start, made by a link, so that it
 * is never there without its content. The next process takes it from a holder that was killed. The start matters in a
 * container: killed and started again, it gives the same ids to the next processes.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const waitMsMax = 600_000;
const lookMs = 200;

/**
 * Runs `work` while no other process does, and resolves with its result. Throws when it is another's turn for too long.
 *
 * @param {string} folder Where the lock lies; made when it is not there.
 * @param {() => void | Promise<void>} work
 * @param {(holder: number) => void} waits Called once, with the process that is waited for.
 */
export async function oneAtATime(folder, work, waits) {
  const lock = join(folder, '.setup');
  const deadlineMs = Date.now() + waitMsMax;
  let isTold = false;
  for (let holder = take(folder, lock); holder !== undefined; holder = take(folder, lock)) {
    const pid = pidIn(holder);
    if (pid > 0 && !isTold) {
      isTold = true;
      waits(pid);
    }
    if (Date.now() >= deadlineMs) throw new Error(`${lock} is held (by process ${pid}): end it, or remove the file`);
    await sleep(lookMs);
  }
  const letGo = () => {
    if (holderOf(lock) === nameOf(process.pid)) rmSync(lock, { force: true });
  };
  process.once('exit', letGo);
  try {
    await work();
  } finally {
    process.off('exit', letGo);
    letGo();
  }
}

/** Undefined when this process may go on, otherwise the holder; empty when the holder cannot be determined. */
function take(folder, lock) {
  const own = `${lock}.${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(own, nameOf(process.pid));
    linkSync(own, lock);
    return undefined;
  } catch (error) {
    // Where nothing can be written, or nothing linked, there is nothing to be protected, or no way to do so.
    if (error.code !== 'EEXIST') return undefined;
    const holder = holderOf(lock);
    // Let go of just now, removed for a holder that is gone, or another user's: the next look tells.
    if (holder === undefined) return '';
    if (nameOf(pidIn(holder)) === holder) return holder;
    removeOf(holder, lock, own);
    return '';
  } finally {
    rmSync(own, { force: true });
  }
}

/** Another process may have removed it already and placed its own lock there: that one is put back. */
function removeOf(holder, lock, own) {
  try {
    renameSync(lock, own);
    if (holderOf(own) !== holder) linkSync(own, lock);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
}

function holderOf(lock) {
  try {
    return readFileSync(lock, 'utf8');
  } catch {
    return undefined;
  }
}

function pidIn(name) {
  return Number.parseInt(name, 10);
}

/**
 * For a running process: its id and, if the system tells, its start time. Undefined for a process that does not run.
 */
function nameOf(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === 'ESRCH') return undefined;
  }
  try {
    // Behind the command, which may hold spaces and brackets: the start is the 22nd field of all.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    return `${pid} ${fields[19]}`;
  } catch {
    return `${pid}`;
  }
}
