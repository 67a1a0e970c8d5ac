/** What the leader of a group gives a member: its partitions, and a name that tells one distribution from another. */
export interface Part {
  /** Who made the distribution, and at which of its joins. */
  readonly plan: string;
  readonly partitions: readonly number[];
}

/** Of a member of which the leader did not know. */
export const noPart: Part = { plan: '', partitions: [] };
