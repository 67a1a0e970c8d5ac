/** All API keys that this door serves. tests/protocol-support.test.ts holds them against engine/protocol/versions.ts. */
import type { KafkaApi } from './api.ts';
import { produce } from './api/00-produce.ts';
import { fetch } from './api/01-fetch.ts';
import { listOffsets } from './api/02-list-offsets.ts';
import { metadata } from './api/03-metadata.ts';
import { offsetCommit } from './api/08-offset-commit.ts';
import { offsetFetch } from './api/09-offset-fetch.ts';
import { findCoordinator } from './api/10-find-coordinator.ts';
import { joinGroup } from './api/11-join-group.ts';
import { heartbeat } from './api/12-heartbeat.ts';
import { leaveGroup } from './api/13-leave-group.ts';
import { syncGroup } from './api/14-sync-group.ts';
import { describeGroups } from './api/15-describe-groups.ts';
import { listGroups } from './api/16-list-groups.ts';
import { saslHandshake } from './api/17-sasl-handshake.ts';
import { apiVersions } from './api/18-api-versions.ts';
import { deleteRecords } from './api/21-delete-records.ts';
import { initProducerId } from './api/22-init-producer-id.ts';
import { offsetForLeaderEpoch } from './api/23-offset-for-leader-epoch.ts';
import { saslAuthenticate } from './api/36-sasl-authenticate.ts';
import { deleteGroups } from './api/42-delete-groups.ts';
import { offsetDelete } from './api/47-offset-delete.ts';

export const apis: ReadonlyMap<number, KafkaApi> = new Map(
  [
    produce,
    fetch,
    listOffsets,
    metadata,
    offsetCommit,
    offsetFetch,
    findCoordinator,
    joinGroup,
    heartbeat,
    leaveGroup,
    syncGroup,
    describeGroups,
    listGroups,
    saslHandshake,
    apiVersions,
    deleteRecords,
    initProducerId,
    offsetForLeaderEpoch,
    saslAuthenticate,
    deleteGroups,
    offsetDelete,
  ].map((each) => [each.key, each]),
);
