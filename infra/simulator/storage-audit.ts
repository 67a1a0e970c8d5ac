/**
 * Whether the stored state is consistent when a world is quiet again: every segment row points into an existing file, the
 * counts of every file are right, nothing is left of deleted topics or of what retention removes, and no log of a dead
 * session lies on a volume.
 */
import { decodeSegment, segmentSkPrefix } from '../../engine/log/rows/segment.ts';
import { decodeSegmentFile, segmentFilePk, segmentFilePrefix } from '../../engine/log/rows/segment-file.ts';
import { decodeBrokerSession, brokerSessionsPk } from '../../engine/controller/rows/broker-session.ts';
import { deletedTopicSkPrefix } from '../../engine/controller/rows/deleted-topic.ts';
import { shardCount, shardPk } from '../../engine/controller/rows/shard.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { decodeLogState, logPk, logStateSk } from '../../engine/log/rows/log-state.ts';
import type { Row } from '../../engine/ports.ts';
import { unlessDamaged } from '../../engine/store-row-json.ts';
import type { World } from './world.ts';

/** More than any topic reaches. */
export const partitionsMax = 32;

const nothing = { segments: 0, bytes: 0 };
/** Retention removes at a look what it knew at the one before; and a look takes its time. */
const looksMin = 3;
const lookMsMax = 1000;

/** Sentences about what is wrong; none when all is well. `logPks`: partition keys of every log there ever was. */
export async function auditStorage(world: World, logPks: readonly string[]): Promise<string[]> {
  const wrong: string[] = [];
  const counted = new Map<string, { readonly segments: number; readonly bytes: number }>();
  for (const pk of logPks) {
    for (const row of await allRows(world, pk)) {
      if (!row.sk.startsWith(segmentSkPrefix)) continue;
      const { fileId, bytes } = decodeSegment(row);
      const found = counted.get(fileId) ?? nothing;
      counted.set(fileId, { segments: found.segments + 1, bytes: found.bytes + bytes });
    }
  }
  const files = await allRows(world, segmentFilePk);
  const current = new Set<string>();
  for (const row of await allRows(world, brokerSessionsPk)) {
    const session = unlessDamaged(row, decodeBrokerSession);
    if (session) current.add(segmentFilePrefix(session.brokerId, session.epoch));
    else wrong.push(`the session of broker ${row.sk} is damaged, and nobody restores it`);
  }
  for (const row of files) {
    const { segments, bytes, liveBytes = segments === 0 ? 0 : bytes } = decodeSegmentFile(row.value)!;
    const named = counted.get(row.sk) ?? nothing;
    // A roll-up of a living session announces its file before it has segments.
    if (segments === 0 && !current.has(row.sk.slice(0, row.sk.indexOf('-', row.sk.indexOf('-') + 1) + 1))) {
      wrong.push(`file ${row.sk} of a session that is over holds nothing`);
    }
    if (segments !== named.segments) {
      wrong.push(`file ${row.sk} counts ${segments} segments, rows name ${named.segments}`);
    }
    // A file is rewritten, and its space is free, when little of it is live.
    if (liveBytes !== named.bytes || liveBytes > bytes) {
      wrong.push(`file ${row.sk} of ${bytes} bytes counts ${liveBytes} live ones, rows name ${named.bytes}`);
    }
  }
  const known = new Set(files.map(({ sk }) => sk));
  const names = world.segmentFiles();
  // A pieced file has further names behind its own.
  const fileIdOf = (name: string): string => name.replace(/\.seg(\.\d+)?$/, '');
  for (const name of names) if (!known.has(fileIdOf(name))) wrong.push(`file ${name} is there without a row`);
  for (const fileId of counted.keys()) {
    if (!names.includes(`${fileId}.seg`)) wrong.push(`file ${fileId} is named by rows and not there`);
  }
  return [...wrong, ...(await auditVolumes(world))];
}

/** What is left of topics whose space is reported free. */
export async function auditDeleted(world: World, topicIds: readonly Uuid[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const topicId of topicIds) {
    for (let partition = 0; partition < partitionsMax; partition++) {
      for (const { pk, sk } of await allRows(world, logPk(topicId, partition))) {
        wrong.push(`row ${pk} ${sk} of a topic that is deleted is there`);
      }
    }
  }
  return wrong;
}

/** Logs with one segment more than retention should keep. */
export async function auditKept(world: World, logPks: readonly string[], keptBytes: number): Promise<string[]> {
  const wrong: string[] = [];
  for (const pk of logPks) {
    const rows = (await allRows(world, pk)).filter(({ sk }) => sk.startsWith(segmentSkPrefix));
    const bytes = rows.slice(1).reduce((sum, row) => sum + decodeSegment(row).bytes, 0);
    if (bytes >= keptBytes)
      wrong.push(`${pk} holds ${bytes} bytes behind its first segment, where ${keptBytes} are kept`);
  }
  return wrong;
}

/** Segments that are read still, and that retention by time should have removed at two looks or more. */
export async function auditOverdue(world: World, logPks: readonly string[], keptMs: number): Promise<string[]> {
  const wrong: string[] = [];
  const overdueMs = world.loop.wallMs - keptMs - looksMin * world.settings.log.retentionIntervalMs - lookMsMax;
  for (const pk of logPks) {
    const rows = await allRows(world, pk);
    const state = rows.find(({ sk }) => sk === logStateSk);
    const start = state ? decodeLogState(state).startOffset : 0;
    for (const row of rows) {
      if (!row.sk.startsWith(segmentSkPrefix)) continue;
      const { endOffset, maxTimestamp } = decodeSegment(row);
      if (endOffset <= start) continue;
      // Old ones behind one that is young stay with it: a log begins where it begins.
      if (maxTimestamp < 0 || maxTimestamp > overdueMs) break;
      wrong.push(`${pk} holds records up to ${endOffset} that are older than ${keptMs} ms`);
    }
  }
  return wrong;
}

/** Deleted topics whose space is not free yet. */
export async function unfreedTopics(world: World): Promise<number> {
  let left = 0;
  for (let shard = 0; shard < shardCount; shard++) {
    for (const { sk } of await allRows(world, shardPk(shard))) if (sk.startsWith(deletedTopicSkPrefix)) left++;
  }
  return left;
}

async function auditVolumes(world: World): Promise<string[]> {
  const wrong: string[] = [];
  const rows = await allRows(world, brokerSessionsPk);
  const sessions = new Map(rows.map((row) => [row.sk, unlessDamaged(row, decodeBrokerSession)]));
  for (const { brokerId, volume } of world.settings.slots) {
    const directory = `${volume}/wal`;
    for (const epoch of world.disks.of(volume).list(directory)) {
      if (Number(epoch) === sessions.get(String(brokerId))?.epoch) continue;
      wrong.push(`${directory}/${epoch} is the log of a session that is over`);
    }
  }
  return wrong;
}

export async function allRows(world: World, pk: string): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const page = await world.store.rows.range(pk, cursor === undefined ? {} : { cursor });
    rows.push(...page.rows);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return rows;
}
