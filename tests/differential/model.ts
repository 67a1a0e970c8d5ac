/** What the generator knows of the run so far, so that requests find something: it follows the oracle's answers. */
import type { RequestOf, ResponseOf } from '../../engine/protocol/apis.ts';
import type { Raw } from './connection.ts';
import { type AskStep, type BatchPlan, isReference, type Step } from './steps.ts';

export interface Topic {
  readonly name: string;
  partitions: number;
  /** How often a topic of this name has been made before. */
  turn: number;
  isAlive: boolean;
  /** Records were deleted from its beginning. */
  isCut: boolean;
}

export interface Member {
  /** `<group> <number>`: the name that its id is kept under, and its connection's. */
  readonly slot: string;
  readonly instanceId: string | null;
  isIn: boolean;
  /** The member has left, or its group was deleted: its id is unused. */
  isForgotten: boolean;
}

export interface Group {
  readonly name: string;
  readonly members: Member[];
  state: 'Empty' | 'CompletingRebalance' | 'Stable' | 'other';
  leader: string | undefined;
  isUsed: boolean;
}

export interface Producer {
  readonly slot: string;
  /** The youngest that a log has taken. */
  epoch: number;
  /** By `topic/partition`. */
  readonly sequences: Map<string, number>;
}

export interface Session {
  readonly slot: string;
  readonly usesIds: boolean;
  epoch: number;
}

const memberGroups = ['§g0', '§g1', '§g2'];
/** All groups that offsets are committed for. */
export const groupNames = [...memberGroups, '§simple', ''];

export class Model {
  readonly topics: Topic[] = [];
  readonly groups: Group[] = memberGroups.map((name) => ({
    name,
    members: [],
    state: 'Empty',
    leader: undefined,
    isUsed: false,
  }));
  readonly producers: Producer[] = [];
  readonly sessions: Session[] = [];
  sessionsMade = 0;

  get living(): Topic[] {
    return this.topics.filter(({ isAlive }) => isAlive);
  }

  topic(name: string): Topic | undefined {
    return this.topics.find((topic) => topic.name === name);
  }

  group(name: string): Group {
    return this.groups.find((group) => group.name === name)!;
  }

  learn(step: Step, answers: readonly Raw[]): void {
    // Headgate keeps a fetch session with its connection.
    if (answers.some(({ kind }) => kind !== 'answer')) this.sessions.length = 0;
    if (step.kind === 'ask') return this.#learnAsk(step, answers[0]!);
    if (step.kind === 'rebalance') this.#learnJoins(step.group, step.joins, answers);
    if (step.kind === 'sync' && answers.every((answer) => codeOf(answer) === 0))
      this.group(step.group).state = 'Stable';
  }

  #learnAsk(step: AskStep, answer: Raw): void {
    if (answer.kind !== 'answer') return;
    if (step.key === 19) this.#learnCreated(step.body as RequestOf<19>, answer.body as ResponseOf<19>);
    if (step.key === 37) this.#learnEnlarged(step.body as RequestOf<37>, answer.body as ResponseOf<37>);
    if (step.key === 20) this.#learnDeleted(step, answer.body as ResponseOf<20>);
    if (step.key === 21) this.#learnCut(step.body as RequestOf<21>, answer.body as ResponseOf<21>);
    if (step.key === 22 && step.keep !== undefined && codeOf(answer) === 0) {
      this.producers.push({ slot: step.keep, epoch: 0, sequences: new Map() });
    }
    if (step.key === 0) this.#learnProduced(step.body as RequestOf<0>, answer.body as ResponseOf<0>);
    if (step.key === 1 && step.keep !== undefined) this.#learnSession(step, answer.body as ResponseOf<1>);
    if (step.key === 42) this.#learnRemoved(answer.body as ResponseOf<42>);
    if (step.key === 13) this.#learnLeft(step.body as RequestOf<13>, answer.body as ResponseOf<13>);
  }

  /** A newer epoch, once accepted, starts over in every partition. */
  #learnProduced({ topicData }: RequestOf<0>, { responses }: ResponseOf<0>): void {
    for (const [t, { partitionData }] of topicData.entries()) {
      const { batch } = partitionData[0]!.records as unknown as BatchPlan;
      const id = batch.producer?.id;
      if (responses?.length !== topicData.length || topicData.length > 1 || !isReference(id)) continue;
      const producer = this.producers.find(({ slot }) => slot === id.ref);
      const isTaken = responses[t]!.partitionResponses[0]!.errorCode === 0;
      if (!producer || !isTaken || batch.producer!.epoch <= producer.epoch) continue;
      producer.epoch = batch.producer!.epoch;
      producer.sequences.clear();
    }
  }

  #learnCreated({ validateOnly, topics }: RequestOf<19>, answer: ResponseOf<19>): void {
    if (validateOnly) return;
    for (const { name, numPartitions, assignments } of topics) {
      const made = answer.topics.find((each) => each.name.endsWith(name.slice(1)));
      if (made?.errorCode !== 0) continue;
      const topic = this.topic(name);
      const partitions = assignments.length > 0 ? assignments.length : numPartitions === -1 ? 1 : numPartitions;
      if (topic) Object.assign(topic, { partitions, isAlive: true, isCut: false, turn: topic.turn + 1 });
      else this.topics.push({ name, partitions, turn: 0, isAlive: true, isCut: false });
    }
  }

  #learnCut({ topics }: RequestOf<21>, answer: ResponseOf<21>): void {
    const isCut = answer.topics.some(({ partitions }) => partitions.some(({ lowWatermark }) => lowWatermark > 0));
    for (const { name } of topics) {
      const topic = this.topic(name);
      if (topic && isCut) topic.isCut = true;
    }
  }

  #learnEnlarged({ validateOnly, topics }: RequestOf<37>, answer: ResponseOf<37>): void {
    if (validateOnly) return;
    for (const { name, count } of topics) {
      const topic = this.topic(name);
      if (topic && answer.results.find((each) => each.name.endsWith(name.slice(1)))?.errorCode === 0) {
        topic.partitions = count;
      }
    }
  }

  #learnDeleted({ body }: AskStep, answer: ResponseOf<20>): void {
    const { topics = [], topicNames = [] } = body as Partial<RequestOf<20>>;
    const named = [
      ...topicNames,
      ...topics.map(({ name, topicId }) => name ?? (isReference(topicId) ? topicId.ref.split(' ')[2]! : '')),
    ];
    for (const name of named) {
      const topic = this.topic(name);
      const gone = answer.responses.find((each) => each.name?.endsWith(name.slice(1)));
      if (topic && gone?.errorCode === 0) topic.isAlive = false;
    }
  }

  #learnSession(step: AskStep, answer: ResponseOf<1>): void {
    if (answer.sessionId <= 0) return;
    const session = this.sessions.find(({ slot }) => slot === step.keep);
    if (session) session.epoch++;
    else if (step.version >= 7) this.sessions.push({ slot: step.keep!, usesIds: step.version >= 13, epoch: 1 });
  }

  #learnJoins(name: string, joins: readonly AskStep[], answers: readonly Raw[]): void {
    const group = this.group(name);
    for (const [i, answer] of answers.entries()) {
      if (answer.kind !== 'answer') continue;
      const body = answer.body as ResponseOf<11>;
      const member = group.members.find(({ slot }) => slot === joins[i]!.keep);
      if (!member || body.errorCode !== 0) continue;
      member.isIn = true;
      group.isUsed = true;
      group.state = 'CompletingRebalance';
      if (body.leader === body.memberId) group.leader = member.slot;
    }
  }

  #learnRemoved({ results }: ResponseOf<42>): void {
    const gone = results.filter(({ errorCode }) => errorCode === 0);
    for (const group of this.groups) {
      if (!gone.some(({ groupId }) => groupId.endsWith(group.name.slice(1)))) continue;
      for (const member of group.members) member.isForgotten = true;
    }
  }

  #learnLeft({ groupId, memberId, members }: RequestOf<13>, answer: ResponseOf<13>): void {
    if (answer.errorCode !== 0) return;
    const group = this.groups.find(({ name }) => name === groupId);
    const left = [memberId, ...(members ?? []).map((member) => member.memberId)].flatMap((id) =>
      isReference(id) ? [id.ref] : [],
    );
    for (const member of group?.members ?? []) {
      if (!left.includes(member.slot)) continue;
      member.isIn = false;
      member.isForgotten = true;
      group!.state = group!.members.some(({ isIn }) => isIn) ? 'other' : 'Empty';
    }
  }
}

function codeOf(answer: Raw): number {
  return answer.kind === 'answer' ? ((answer.body as { errorCode?: number }).errorCode ?? 0) : -1;
}
