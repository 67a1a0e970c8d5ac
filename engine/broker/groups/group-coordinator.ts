/**
 * The classic group coordinator of one partition: the groups whose names map to it, their members and their offsets.
 *
 * Membership and generations live in memory and change within one turn (group.ts, rebalance.ts). What a successor needs
 * goes to the partition's log first, and is answered afterwards (log-writer.ts). Every request gets exactly one answer,
 * even when the partition moves away meanwhile.
 */
import type { Clock, Timer } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../protocol/messages/09-offset-fetch.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { HeartbeatRequest, HeartbeatResponse } from '../../protocol/messages/12-heartbeat.ts';
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/13-leave-group.ts';
import type { SyncGroupRequest, SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { DescribeGroupsRequest, DescribeGroupsResponse } from '../../protocol/messages/15-describe-groups.ts';
import type { ListGroupsRequest, ListGroupsResponse } from '../../protocol/messages/16-list-groups.ts';
import type { DeleteGroupsRequest, DeleteGroupsResponse } from '../../protocol/messages/42-delete-groups.ts';
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../../protocol/messages/47-offset-delete.ts';
import type { CoordinatorLog } from './coordinator-log.ts';
import { deleteGroups, failedOffsetDelete, offsetDelete } from './delete-groups.ts';
import { describeGroups, failedDescription, listGroups } from './describe-groups.ts';
import { expireOffsets } from './expire-offsets.ts';
import type { Group } from './group.ts';
import { heartbeat } from './heartbeat.ts';
import { joinGroup } from './join-group.ts';
import { failedLeave, leaveGroup } from './leave-group.ts';
import { liveRecords, replayGroups, resumeGroups } from './load-groups.ts';
import { LogWriter } from './log-writer.ts';
import { failedCommit, offsetCommit } from './offset-commit.ts';
import { failedFetch, offsetFetch } from './offset-fetch.ts';
import { OffsetRoom } from './offset-room.ts';
import { dropTimers } from './rebalance.ts';
import { failedJoin, failedSync, joinForVersion, leaveForVersion } from './responses.ts';
import { defaultGroupSettings, type GroupSettings } from './settings.ts';
import type { GroupClient, Shell } from './shell.ts';
import { syncGroup } from './sync-group.ts';

export interface GroupCoordinatorParts {
  readonly log: CoordinatorLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings?: Partial<GroupSettings>;
  /** Wall time at which the topic of this name was created; -1 when unknown. */
  readonly topicMadeMs?: (topic: string) => number;
}

export class GroupCoordinator {
  readonly #log: CoordinatorLog;
  readonly #shell: Shell;
  /** The error that requests get while the log is being read, and once the partition has moved away. */
  #unavailable: number = errorCode.coordinatorLoadInProgress;
  #retention: Timer | undefined;

  constructor(parts: GroupCoordinatorParts) {
    this.#log = parts.log;
    const settings = { ...defaultGroupSettings, ...parts.settings };
    const groups = new Map<string, Group>();
    this.#shell = {
      settings,
      groups,
      offsetRoom: new OffsetRoom(groups, settings.offsetsBytesMax),
      clock: parts.clock,
      random: parts.random,
      writer: new LogWriter(parts.log, settings, () => liveRecords(groups)),
      topicMadeMs: parts.topicMadeMs ?? (() => -1),
    };
  }

  /**
   * Call once. Until it resolves, requests are answered with COORDINATOR_LOAD_IN_PROGRESS. Throws GroupRecordCorrupt.
   */
  async load(): Promise<void> {
    const { groups, clock, writer } = this.#shell;
    const bytes = await replayGroups(groups, clock, this.#log);
    if (this.#unavailable !== errorCode.coordinatorLoadInProgress) return;
    this.#unavailable = errorCode.none;
    resumeGroups(this.#shell);
    writer.loaded(bytes);
    this.#scheduleRetention();
  }

  /** The partition moves away: parked requests and all later ones are answered with NOT_COORDINATOR. */
  close(): void {
    if (this.#unavailable === errorCode.notCoordinator) return;
    this.#unavailable = errorCode.notCoordinator;
    this.#retention?.cancel();
    const { groups, writer, clock } = this.#shell;
    for (const group of groups.values()) {
      dropTimers(group);
      group.transitionTo('Dead', clock.wallMs());
      for (const member of group.members.values()) {
        group.answerJoin(member, failedJoin(errorCode.notCoordinator, member.memberId));
        group.answerSync(member, failedSync(errorCode.notCoordinator));
      }
    }
    groups.clear();
    writer.close();
  }

  groupCount(): number {
    return this.#shell.groups.size;
  }

  /** Resolves when the group's generation begins, or at once with an error. */
  joinGroup(version: number, request: JoinGroupRequest, client: GroupClient): Promise<JoinGroupResponse> {
    return new Promise((resolve) => {
      const answer = (response: JoinGroupResponse): void => resolve(joinForVersion(version, response));
      if (this.#unavailable) answer(failedJoin(this.#unavailable, request.memberId));
      else joinGroup(this.#shell, version, request, client, answer);
    });
  }

  /** Resolves when the generation's assignment is durable. */
  syncGroup(_version: number, request: SyncGroupRequest, _client: GroupClient): Promise<SyncGroupResponse> {
    return new Promise((resolve) => {
      if (this.#unavailable) resolve(failedSync(this.#unavailable));
      else syncGroup(this.#shell, request, resolve);
    });
  }

  heartbeat(_version: number, request: HeartbeatRequest, _client: GroupClient): Promise<HeartbeatResponse> {
    // While the log is being read, every member is believed: an error would make it rejoin for nothing.
    const isLoading = this.#unavailable === errorCode.coordinatorLoadInProgress;
    const code = isLoading ? errorCode.none : this.#unavailable || heartbeat(this.#shell, request);
    return Promise.resolve({ throttleTimeMs: 0, errorCode: code });
  }

  async leaveGroup(version: number, request: LeaveGroupRequest, _client: GroupClient): Promise<LeaveGroupResponse> {
    if (this.#unavailable) return failedLeave(this.#unavailable);
    return leaveForVersion(version, await leaveGroup(this.#shell, version, request));
  }

  /** Resolves when the offsets are durable. Topic names are plain keys here; the door checks that the topics exist. */
  async offsetCommit(
    version: number,
    request: OffsetCommitRequest,
    client: GroupClient,
  ): Promise<OffsetCommitResponse> {
    if (this.#unavailable) return failedCommit(request, this.#unavailable);
    return offsetCommit(this.#knowing(client), version, request);
  }

  /** With requireStable (KIP-447), waits for commits on their way to the log. */
  async offsetFetch(version: number, request: OffsetFetchRequest, client: GroupClient): Promise<OffsetFetchResponse> {
    if (version >= 7 && request.requireStable && !this.#unavailable) await this.#shell.writer.settled();
    if (this.#unavailable) return failedFetch(version, request, this.#unavailable);
    return offsetFetch(this.#knowing(client), version, request);
  }

  describeGroups(
    version: number,
    request: DescribeGroupsRequest,
    _client: GroupClient,
  ): Promise<DescribeGroupsResponse> {
    if (!this.#unavailable) return Promise.resolve(describeGroups(this.#shell, version, request));
    const groups = request.groups.map((groupId) => failedDescription(groupId, this.#unavailable));
    return Promise.resolve({ throttleTimeMs: 0, groups });
  }

  listGroups(_version: number, request: ListGroupsRequest, _client: GroupClient): Promise<ListGroupsResponse> {
    if (!this.#unavailable) return Promise.resolve(listGroups(this.#shell, request));
    return Promise.resolve({ throttleTimeMs: 0, errorCode: this.#unavailable, groups: [] });
  }

  async deleteGroups(
    _version: number,
    request: DeleteGroupsRequest,
    _client: GroupClient,
  ): Promise<DeleteGroupsResponse> {
    if (!this.#unavailable) return deleteGroups(this.#shell, request);
    const results = request.groupsNames.map((groupId) => ({ groupId, errorCode: this.#unavailable }));
    return { throttleTimeMs: 0, results };
  }

  async offsetDelete(
    _version: number,
    request: OffsetDeleteRequest,
    _client: GroupClient,
  ): Promise<OffsetDeleteResponse> {
    if (this.#unavailable) return failedOffsetDelete(this.#unavailable);
    return offsetDelete(this.#shell, request);
  }

  /**
   * The shell for one request. Its gateway may have heard of a topic before us, and then so has its client: what was
   * committed for a former topic of the name is nothing that this client may continue from.
   */
  #knowing({ topicsMadeMs }: GroupClient): Shell {
    if (!topicsMadeMs) return this.#shell;
    const topicMadeMs = (topic: string): number =>
      Math.max(this.#shell.topicMadeMs(topic), topicsMadeMs.get(topic) ?? -1);
    return { ...this.#shell, topicMadeMs };
  }

  #scheduleRetention(): void {
    const { clock, settings } = this.#shell;
    const check = (): void => expireOffsets(this.#shell, () => this.#scheduleRetention());
    if (this.#unavailable) return;
    this.#retention = clock.after(settings.retentionCheckIntervalMs, check, 'background');
  }
}
