import { describe, expect, it } from 'vitest';
import { topicConfigFault, topicConfigs, topicConfigValue, topicConfigWords, topicSettings } from './topic-configs.ts';

describe('topic configs', () => {
  it('take their own defaults', () => {
    for (const { name, default: value } of topicConfigs) expect(topicConfigFault(name, value)).toBeUndefined();
  });

  // As Apache Kafka 4.3 takes and refuses them.
  it.each([
    [
      'cleanup.policy',
      ['', 'delete,delete', 'compact,delete', 'delete, compact', ' delete'],
      ['Compact', 'compact,', 'none'],
    ],
    ['segment.bytes', ['52428800', ' 52428800 ', '1048576'], ['1048575', 'x', '1000000000000', '1.5', '']],
    ['min.insync.replicas', ['1', '2', '4'], ['0', '-1']],
    ['unclean.leader.election.enable', ['true', 'TRUE', 'false'], ['x', '', '1']],
    ['min.cleanable.dirty.ratio', ['0.5', '0', '1'], ['1.1', '-0.1', 'x', '']],
    ['segment.ms', ['1', '9223372036854775807'], ['0']],
    ['compression.gzip.level', ['-1', '1', ' 9 '], ['0', '10', '-2', 'x', '']],
    ['compression.lz4.level', ['1', '17'], ['0', '18', '-1']],
    ['compression.zstd.level', ['-131072', '22'], ['-131073', '23']],
    ['flush.messages', [], ['1']],
    ['max.compaction.lag.ms', [], ['1000']],
  ])('%s', (name, taken, refused) => {
    for (const text of taken) expect(topicConfigFault(name, text), text).toBeUndefined();
    for (const text of refused) expect(topicConfigFault(name, text), text).toContain(name);
  });

  it('count each word of a list once, and ignore blanks', () => {
    const configs = { 'cleanup.policy': ' delete, compact,delete' };
    expect(topicConfigValue(configs, 'cleanup.policy')).toBe('delete,compact');
    expect(topicConfigWords(configs, 'cleanup.policy')).toEqual(['delete', 'compact']);
    expect(topicConfigWords({ 'cleanup.policy': '' }, 'cleanup.policy')).toEqual([]);
    expect(topicConfigWords({}, 'cleanup.policy')).toEqual(['delete']);
    expect(topicConfigWords({}, 'retention.ms')).toBeUndefined();
  });

  it('require keys if records are compacted', () => {
    const keys = (policy: string): boolean => topicSettings({ 'cleanup.policy': policy }).requiresKeys;
    expect(['compact', 'delete, compact', 'delete', ''].map(keys)).toEqual([true, true, false, false]);
    expect(topicSettings({}).requiresKeys).toBe(false);
  });
});
