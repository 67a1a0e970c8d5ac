/**
 * Requests of classic consumer groups. Nothing that is drawn waits for a time to pass: sessions last five minutes, and
 * who joins or syncs does so in a step with all others that the group waits for.
 */
import type { Draw } from '../fuzz/draw.ts';
import { ask, oddPartition, topicId, topicName } from './draw-names.ts';
import type { Group, Member, Model } from './model.ts';
import type { AskStep, Step } from './steps.ts';

const timeoutMs = 300_000;

function memberId(member: Member | undefined): unknown {
  return member ? { ref: member.slot, otherwise: 'nobody' } : 'nobody';
}

function generation(draw: Draw, group: Group): unknown {
  const plus = draw.chance(90) ? 0 : draw.pick([-1, 1, 10]);
  return { ref: `generation of ${group.name}`, otherwise: 1, plus };
}

function join(draw: Draw, group: Group, member: Member, changes: Readonly<Record<string, unknown>> = {}): AskStep {
  const version = member.instanceId === null ? draw.below(10) : 5 + draw.below(5);
  const request = {
    groupId: group.name,
    sessionTimeoutMs: timeoutMs,
    rebalanceTimeoutMs: timeoutMs,
    memberId: { ref: member.slot, otherwise: '' },
    groupInstanceId: member.instanceId,
    protocolType: 'consumer',
    protocols: [
      { name: 'range', metadata: { subscription: ['§t0', '§t1'] } },
      { name: 'roundrobin', metadata: { subscription: ['§t0'] } },
    ],
    reason: draw.chance(50) ? null : 'because',
    ...changes,
  };
  return { ...ask(11, version, request, member.slot), keep: member.slot };
}

/** One that is answered at once whatever the group does. */
function oddJoin(draw: Draw, group: Group): AskStep {
  const stranger: Member = { slot: `${group.name} stranger`, instanceId: null, isIn: false, isForgotten: false };
  const changes = draw.pick<Record<string, unknown>>([
    { memberId: 'nobody' },
    { memberId: 'nobody', sessionTimeoutMs: 1 },
    { memberId: '', sessionTimeoutMs: 0 },
    { memberId: '', sessionTimeoutMs: 0x7fff_ffff },
    { memberId: 'nobody', protocolType: 'connect' },
    { memberId: 'nobody', protocols: [] },
    { memberId: 'nobody', protocolType: '' },
    { memberId: '', groupId: '' },
    { memberId: 'nobody', protocols: [{ name: 'unheard-of', metadata: { bytes: '' } }] },
    ...(group.members.some(({ isIn }) => isIn)
      ? [
          { memberId: '', protocolType: 'connect' },
          { memberId: '', protocols: [{ name: 'unheard-of', metadata: { bytes: '' } }] },
        ]
      : []),
  ]);
  return { ...join(draw, group, stranger, changes), keep: 'nobody' };
}

/** A member asks for its id (KIP-394), so that it can join by a step of its own. */
function hello(draw: Draw, group: Group): AskStep {
  const slot = `${group.name} ${group.members.length}`;
  const member: Member = { slot, instanceId: null, isIn: false, isForgotten: false };
  group.members.push(member);
  return { ...join(draw, group, member, { memberId: '' }), version: 4 + draw.below(6) };
}

/**
 * A group waits for everyone that has asked for an id until the session ends. A rebalance without one of two members
 * would therefore never be answered; and with both, either may be first.
 */
function mayCome({ members }: Group): boolean {
  return members.length < 5 && members.every(({ isIn, isForgotten }) => isIn || isForgotten);
}

const membersMax = 3;

function rebalance(draw: Draw, group: Group): Step | undefined {
  const isIn = group.members.filter((member) => member.isIn);
  const waiting = group.members.filter(
    (member) =>
      !member.isIn &&
      member.slot.startsWith(group.name) &&
      // Refused, it would begin no rebalance for the others to come to.
      !(member.isForgotten && isIn.length > 0),
  );
  const first =
    waiting.length > 0 && isIn.length < membersMax
      ? draw.pick(waiting)
      : group.state === 'Stable' || group.state === 'other'
        ? (isIn.find(({ slot }) => slot === group.leader) ?? (group.state === 'other' ? isIn[0] : undefined))
        : undefined;
  if (!first) return undefined;
  const others = isIn.filter((member) => member !== first);
  return {
    kind: 'rebalance',
    group: group.name,
    waits: others.length > 0,
    joins: [first, ...others].map((member) => join(draw, group, member)),
  };
}

function sync(draw: Draw, group: Group, member: Member): AskStep {
  const isLeader = member.slot === group.leader;
  const assignments = group.members
    .filter(({ isIn }) => isIn)
    .map((each, i) => ({ memberId: memberId(each), assignment: { bytes: `parts-${i}` } }));
  const request = {
    groupId: group.name,
    generationId: { ref: `generation of ${group.name}`, otherwise: 1 },
    memberId: memberId(member),
    groupInstanceId: member.instanceId,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: isLeader ? assignments : [],
  };
  return ask(14, member.instanceId === null ? draw.below(6) : 3 + draw.below(3), request, member.slot);
}

function syncAll(draw: Draw, group: Group): Step | undefined {
  const isIn = group.members.filter((member) => member.isIn);
  const leader = isIn.find(({ slot }) => slot === group.leader);
  if (!leader || group.state !== 'CompletingRebalance') return undefined;
  const others = isIn.filter((member) => member !== leader);
  return { kind: 'sync', group: group.name, syncs: [...others, leader].map((member) => sync(draw, group, member)) };
}

/** One that cannot be parked: of a generation or a member that is not, or of a group that is stable. */
function oddSync(draw: Draw, group: Group): AskStep {
  const member = draw.chance(60) && group.members.length > 0 ? draw.pick(group.members) : undefined;
  const isParked = group.state !== 'Stable' && member !== undefined;
  const request = {
    groupId: draw.chance(92) ? group.name : '',
    generationId:
      isParked || draw.chance(30)
        ? { ref: `generation of ${group.name}`, otherwise: 1, plus: 7 }
        : generation(draw, group),
    memberId: memberId(member),
    groupInstanceId: null,
    protocolType: draw.pick(['consumer', 'consumer', 'connect', null]),
    protocolName: draw.pick(['range', 'range', 'other', null]),
    assignments: [],
  };
  return ask(14, draw.below(6), request, member?.slot ?? 'data');
}

function someMember(draw: Draw, group: Group): Member | undefined {
  return draw.chance(85) && group.members.length > 0 ? draw.pick(group.members) : undefined;
}

function heartbeat(draw: Draw, group: Group): AskStep {
  const member = someMember(draw, group);
  const request = {
    groupId: draw.chance(96) ? group.name : '',
    generationId: generation(draw, group),
    memberId: draw.chance(95) ? memberId(member) : '',
    groupInstanceId: draw.chance(90) ? (member?.instanceId ?? null) : 'static',
  };
  return ask(12, draw.below(5), request);
}

function leave(draw: Draw, group: Group): AskStep {
  const version = draw.below(6);
  const member = someMember(draw, group);
  const members = [member, ...(draw.chance(30) ? [undefined] : [])].map((each) => ({
    memberId: memberId(each),
    groupInstanceId: each?.instanceId ?? null,
    reason: null,
  }));
  return ask(13, version, { groupId: draw.chance(96) ? group.name : '', memberId: memberId(member), members });
}

function commit(draw: Draw, model: Model, group: Group): AskStep {
  const version = 2 + draw.below(9);
  const member = draw.chance(60) ? someMember(draw, group) : undefined;
  const name = topicName(draw, model);
  const partitions = Array.from({ length: 1 + draw.below(2) }, (_, i) => ({
    partitionIndex: i === 0 ? oddPartition(draw, model.topic(name)) : i,
    committedOffset: draw.pick([0, 1, 5, 100, -1, Infinity]),
    committedLeaderEpoch: draw.pick([-1, 0, 3]),
    committedMetadata: draw.pick([null, '', 'note', ...(draw.chance(15) ? ['m'.repeat(5_000)] : [])]),
  }));
  const groupId = draw.chance(95) ? group.name : draw.pick(['', '§simple']);
  const isSurelyThere = group.state === 'Stable' || group.state === 'CompletingRebalance';
  // Refused whole it would make a group that Kafka does not list until something else is written beside it.
  if (groupId !== group.name || !isSurelyThere) {
    for (const each of partitions) if ((each.committedMetadata?.length ?? 0) > 1_000) each.committedMetadata = 'note';
  }
  return ask(8, version, {
    groupId,
    generationIdOrMemberEpoch: member ? generation(draw, group) : draw.pick([-1, -1, -1, 0, 3]),
    memberId: member ? memberId(member) : draw.chance(85) ? '' : 'nobody',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [{ name, topicId: topicId(draw, model, name), partitions }],
  });
}

function fetchOffsets(draw: Draw, model: Model, group: Group): AskStep {
  const version = 1 + draw.below(10);
  const topicsOf = () => {
    if (version >= 2 && draw.chance(40)) return null;
    const name = topicName(draw, model);
    return [
      { name, topicId: topicId(draw, model, name), partitionIndexes: draw.pick([[0], [0, 1], [], [99], [-1, 0]]) },
    ];
  };
  const groupIds = draw.chance(80) ? [group.name] : [draw.pick(['§g0', '', '§none']), '§simple'];
  const withIds = topicsOf();
  return ask(9, version, {
    groupId: groupIds[0],
    topics: withIds?.map(({ name, partitionIndexes }) => ({ name, partitionIndexes })) ?? null,
    groups: groupIds.map((groupId) => ({ groupId, memberId: null, memberEpoch: -1, topics: topicsOf() })),
    requireStable: draw.chance(50),
  });
}

function describe(draw: Draw, group: Group): AskStep {
  const groups = draw.chance(70) ? [group.name] : draw.pick([['§none', group.name], [''], ['§g0', '§g1', '§g2']]);
  return ask(15, draw.below(7), { groups, includeAuthorizedOperations: draw.chance(20) });
}

function list(draw: Draw): AskStep {
  return ask(16, draw.below(6), {
    statesFilter: draw.pick([[], [], ['Stable'], ['Empty', 'stable'], ['nonsense'], ['PreparingRebalance']]),
    typesFilter: draw.pick([[], [], ['classic'], ['Classic'], ['consumer']]),
  });
}

function remove(draw: Draw, group: Group): AskStep {
  return ask(42, draw.below(3), { groupsNames: draw.pick([[group.name], [group.name, '§none'], ['§simple'], ['']]) });
}

function removeOffsets(draw: Draw, model: Model, group: Group): AskStep {
  const name = topicName(draw, model);
  const partitions = [{ partitionIndex: oddPartition(draw, model.topic(name)) }];
  return ask(47, 0, {
    groupId: draw.chance(85) ? group.name : draw.pick(['', '§none', '§simple']),
    topics: [{ name, partitions }],
  });
}

function findCoordinator(draw: Draw, group: Group): AskStep {
  const version = draw.below(7);
  return ask(10, version, {
    key: group.name,
    keyType: draw.chance(85) ? 0 : version >= 1 ? draw.pick([1, 1, 3, 9, -1]) : 0,
    coordinatorKeys: draw.pick([[group.name], [group.name, '§other'], []]),
  });
}

/** Every so often the step that carries the group forward. */
export function drawGroup(draw: Draw, model: Model): Step {
  const group = draw.pick(model.groups);
  const forward = group.state === 'CompletingRebalance' ? syncAll : rebalance;
  if (draw.chance(35)) {
    const step = forward(draw, group);
    if (step) return step;
    if (mayCome(group)) return hello(draw, group);
  }
  return draw.pick<() => Step>([
    () => (mayCome(group) ? hello(draw, group) : describe(draw, group)),
    () => oddJoin(draw, group),
    () => oddSync(draw, group),
    () => heartbeat(draw, group),
    () => heartbeat(draw, group),
    () => (draw.chance(40) ? leave(draw, group) : heartbeat(draw, group)),
    () => commit(draw, model, group),
    () => commit(draw, model, group),
    () => fetchOffsets(draw, model, group),
    () => fetchOffsets(draw, model, group),
    () => describe(draw, group),
    () => describe(draw, group),
    () => list(draw),
    () => (draw.chance(30) ? remove(draw, group) : list(draw)),
    () => removeOffsets(draw, model, group),
    () => findCoordinator(draw, group),
  ])();
}
