/** Consumer groups of the caller's cluster, whichever door their members use: list, lag, delete. */
import { deleteGroup, describeGroup, listGroups } from '../../operations/groups.ts';
import { chargeBeside } from '../../operations/admit.ts';
import { requestsBeside } from '../../weight.ts';
import { type DoorParts, guard } from '../guard.ts';
import { jsonHeaders, replyJson } from '../reply-headers.ts';
import type { Route } from '../servers/server.ts';

export function groupRoutes(parts: DoorParts): Route[] {
  const { context } = parts;
  return [
    {
      method: 'GET',
      pattern: '/v1/groups',
      handler: guard(parts, async (exchange, principal) => {
        const groups = await listGroups(context, principal);
        replyJson(exchange, 200, {
          groups: groups.map(({ groupId, state, protocolType }) => ({
            group: groupId,
            state,
            protocol_type: protocolType,
          })),
        });
      }),
    },
    {
      method: 'GET',
      pattern: '/v1/groups/{group}',
      handler: guard(parts, async (exchange, principal) => {
        const group = await describeGroup(context, principal, exchange.param('group'));
        // The cost is known only when the work is done: the next requests wait for it.
        chargeBeside(context, principal, requestsBeside(group.offsets.length + group.members.length));
        replyJson(exchange, 200, {
          group: group.groupId,
          state: group.state,
          protocol_type: group.protocolType,
          lag: group.lag,
          members: group.members.map(({ memberId, instanceId, clientId, clientHost }) => ({
            member_id: memberId,
            instance_id: instanceId,
            client_id: clientId,
            client_host: clientHost,
          })),
          offsets: group.offsets.map(({ topic, partition, committedOffset, endOffset, lag }) => ({
            topic,
            partition,
            committed_offset: committedOffset,
            end_offset: endOffset,
            lag,
          })),
        });
      }),
    },
    {
      method: 'DELETE',
      pattern: '/v1/groups/{group}',
      handler: guard(parts, async (exchange, principal) => {
        await deleteGroup(context, principal, exchange.param('group'));
        exchange.reply(204, jsonHeaders(exchange));
      }),
    },
  ];
}
