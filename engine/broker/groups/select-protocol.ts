/** Which assignment strategy a generation uses: every member votes for its first strategy that all support. */
import { assert } from '../../kernel/assert.ts';
import type { MemberProtocol } from './member.ts';

/** The most voted candidate. `members` is not empty, and at least one name is supported by all. */
export function selectProtocol(members: readonly { readonly protocols: readonly MemberProtocol[] }[]): string {
  const supporters = new Map<string, number>();
  for (const member of members) {
    for (const name of new Set(member.protocols.map((each) => each.name))) {
      supporters.set(name, (supporters.get(name) ?? 0) + 1);
    }
  }
  const votes = new Map<string, number>();
  for (const member of members) {
    const vote = member.protocols.find((each) => supporters.get(each.name) === members.length);
    assert(vote, 'a member supports one of the candidates');
    votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1);
  }
  const most = Math.max(...votes.values());
  const winner = inHashMapOrder([...votes.keys()]).find((name) => votes.get(name) === most);
  assert(winner !== undefined, 'somebody voted');
  return winner;
}

/**
 * Kafka breaks a tie by the order of a Java HashMap. Clients see the chosen strategy, so we use the same order: by
 * bucket (the low bits of the mixed String.hashCode), then by insertion.
 */
function inHashMapOrder(names: readonly string[]): string[] {
  let buckets = 16;
  while (names.length > buckets * 0.75) buckets *= 2;
  const bucketOf = (name: string): number => {
    let hash = 0;
    for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) | 0;
    return (hash ^ (hash >>> 16)) & (buckets - 1);
  };
  return [...names].sort((a, b) => bucketOf(a) - bucketOf(b));
}
