/**
 * More planted bugs (canaries.ts), in what clients ask for beside writing and reading: deletions, times, waits, and a drain. Each
 * was planted in the sources first, and passed before there were clients that ask.
 */
import { Balance } from '../../engine/controller/moves/balance.ts';
import { FleetWish } from '../../engine/controller/fleet/fleet-wish.ts';
import { logErrorCode } from '../../engine/log/log.ts';
import { PendingAppend } from '../../engine/log/partition/partition-append.ts';
import { OwnedLog } from '../../engine/log/partition/partition-log.ts';
import { FetchRouter } from '../../engine/routing/fetch.ts';
import type { Canary } from './plant.ts';
import { methodOf, replaced } from './plant-parts.ts';

export const askedCanaries: readonly Canary[] = [
  {
    name: 'says that it has deleted what it has not',
    scenario: 'topics',
    seed: 3,
    plant: () => ({ patch: deleteNothing }),
  },
  {
    name: 'deletes more than it was asked to',
    scenario: 'topics',
    seed: 3,
    plant: () => ({ patch: deleteAll }),
  },
  {
    name: 'deletes what there is where more is to be deleted',
    scenario: 'kills',
    seed: 3,
    plant: () => ({ patch: deleteWhatThereIs }),
  },
  {
    name: 'applies no settings to a log that is open',
    scenario: 'topics',
    seed: 14,
    plant: () => ({ patch: () => replaced(OwnedLog.prototype, 'setConfigs', () => undefined) }),
  },
  {
    name: 'removes no record for its age',
    scenario: 'topics',
    seed: 27,
    plant: () => ({ patch: keepOld }),
  },
  {
    name: 'names the record behind the one that bears a time',
    scenario: 'topics',
    plant: () => ({ patch: lookBehind }),
  },
  {
    name: 'does not wake who waits at the end of a log',
    scenario: 'planned',
    plant: () => ({ patch: () => replaced(OwnedLog.prototype, 'wakeReaders', () => undefined) }),
  },
  {
    name: 'answers a fetch with less than it is to wait for',
    scenario: 'planned',
    plant: () => ({ patch: answerEarly }),
  },
  {
    name: 'acknowledges with another start of the log',
    scenario: 'kills',
    plant: () => ({ patch: tellEndForStart }),
  },
  {
    name: 'says of a broker that it is empty before it is',
    scenario: 'planned',
    plant: () => ({ patch: () => replaced(Balance.prototype, 'drain', async () => 0) }),
  },
  {
    name: 'gives partitions to a broker that is said to be empty',
    scenario: 'late',
    seed: 5,
    plant: () => ({ patch: () => replaced(FleetWish.prototype, 'unchanged', () => []) }),
  },
];

function deleteNothing(): () => void {
  return replaced(OwnedLog.prototype, 'deleteRecords', async function (this: OwnedLog, offset) {
    return { errorCode: logErrorCode.none, lowWatermark: offset === -1 ? this.highWatermark : offset };
  });
}

function deleteAll(): () => void {
  const deleteRecords = methodOf(OwnedLog.prototype, 'deleteRecords');
  return replaced(OwnedLog.prototype, 'deleteRecords', function (this: OwnedLog) {
    return deleteRecords.call(this, -1);
  });
}

function deleteWhatThereIs(): () => void {
  const deleteRecords = methodOf(OwnedLog.prototype, 'deleteRecords');
  return replaced(OwnedLog.prototype, 'deleteRecords', function (this: OwnedLog, offset) {
    return deleteRecords.call(this, Math.min(offset, this.highWatermark));
  });
}

function keepOld(): () => void {
  const before = Object.getOwnPropertyDescriptor(OwnedLog.prototype, 'configs')!;
  Object.defineProperty(OwnedLog.prototype, 'configs', {
    configurable: true,
    get(this: OwnedLog) {
      const configs = before.get!.call(this) as OwnedLog['configs'];
      return { ...configs, retentionMs: Infinity };
    },
  });
  return () => void Object.defineProperty(OwnedLog.prototype, 'configs', before);
}

function lookBehind(): () => void {
  const offsetForTimestamp = methodOf(OwnedLog.prototype, 'offsetForTimestamp');
  return replaced(OwnedLog.prototype, 'offsetForTimestamp', function (this: OwnedLog, timestamp) {
    return offsetForTimestamp.call(this, timestamp + 1);
  });
}

function answerEarly(): () => void {
  const fetch = methodOf(FetchRouter.prototype, 'fetch');
  return replaced(FetchRouter.prototype, 'fetch', function (this: FetchRouter, partitions, options) {
    return fetch.call(this, partitions, { ...options, minBytes: Math.min(1, options.minBytes) });
  });
}

function tellEndForStart(): () => void {
  return replaced(PendingAppend.prototype, 'acknowledge', function (this: PendingAppend) {
    const { baseOffset, logAppendTimeMs, log } = this;
    const told = { errorCode: logErrorCode.none, baseOffset, logAppendTimeMs, errorMessage: null };
    this.done({ ...told, logStartOffset: log.endOffset });
  });
}
