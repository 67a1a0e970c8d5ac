/**
 * The limits that a cluster starts with. 'msk-serverless' is the quota table that Amazon MSK Serverless publishes.
 * 'unlimited' switches off all of them except the largest message and the largest request, which protect the process. A
 * cluster stores its profile and its overrides, so that its other limits follow the profile.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { ClusterLimits } from '../tenancy.ts';

const mega = 1_000_000;
const mebi = 1024 * 1024;

const mskServerless: ClusterLimits = {
  ingressBytesPerSecondMax: 200 * mega,
  egressBytesPerSecondMax: 400 * mega,
  partitionIngressBytesPerSecondMax: 5 * mega,
  partitionEgressBytesPerSecondMax: 10 * mega,
  requestsPerSecondMax: 15_000,
  connectionsMax: 3_000,
  connectionAttemptsPerSecondMax: 100,
  topicMutationsPerSecondMax: 2,
  partitionMutationsPer5MinutesMax: 250,
  messageBytesMax: 8 * mebi,
  requestBytesMax: 100 * mebi,
  fetchBytesMax: 55 * mega,
  groupsMax: 500,
  partitionsMax: 2_400,
};

const unlimited: ClusterLimits = {
  ingressBytesPerSecondMax: Infinity,
  egressBytesPerSecondMax: Infinity,
  partitionIngressBytesPerSecondMax: Infinity,
  partitionEgressBytesPerSecondMax: Infinity,
  requestsPerSecondMax: Infinity,
  connectionsMax: Infinity,
  connectionAttemptsPerSecondMax: Infinity,
  topicMutationsPerSecondMax: Infinity,
  partitionMutationsPer5MinutesMax: Infinity,
  messageBytesMax: 8 * mebi,
  requestBytesMax: 100 * mebi,
  fetchBytesMax: 55 * mega,
  groupsMax: Infinity,
  partitionsMax: Infinity,
};

const profiles = new Map<string, ClusterLimits>([
  ['msk-serverless', mskServerless],
  ['unlimited', unlimited],
]);

export const defaultProfile = 'msk-serverless';
export const profileNames: readonly string[] = [...profiles.keys()];
const limitNames: ReadonlySet<string> = new Set(Object.keys(mskServerless));

export function isLimitName(name: string): name is keyof ClusterLimits {
  return limitNames.has(name);
}

/** A profile that this version does not know is read as the default, the stricter of the two. */
export function limitsOf(profile: string, overrides: Readonly<Partial<ClusterLimits>>): ClusterLimits {
  return { ...(profiles.get(profile) ?? mskServerless), ...overrides };
}

/** Throws InvalidRequest (field profile). */
export function checkProfile(profile: string): void {
  if (!profiles.has(profile)) {
    throw new InvalidRequest('profile', `unknown profile '${profile}': use one of ${profileNames.join(', ')}`);
  }
}

/** Values must be above 0, and whole unless Infinity. Throws InvalidRequest (field limits.<name>). */
export function checkLimitOverrides(overrides: Readonly<Partial<ClusterLimits>>): void {
  for (const [name, value] of Object.entries(overrides)) {
    const field = `limits.${name}`;
    if (!isLimitName(name)) throw new InvalidRequest(field, `there is no limit '${name}'`);
    if (value !== Infinity && !(Number.isSafeInteger(value) && value > 0)) {
      throw new InvalidRequest(field, `limit ${name} must be a whole number, 1 or more`);
    }
  }
}

/** How much may be used at once after a pause, in seconds of the rate, so that short bursts are not delayed. */
export const clusterBurstSeconds = 1;
export const partitionBurstSeconds = 2;
/** Topic mutations come in batches (a deployment creates all its topics): 20 at once at the default rate of 2/s. */
export const topicMutationBurstSeconds = 10;
export const partitionMutationWindowMs = 300_000;
