/** Figures and times as people read them. Pure. */

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Decimal units, as quotas use: '1.2 MB/s'. */
export function rateText(bytesPerSecond: number): string {
  let value = bytesPerSecond;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}/s`;
}

const grouped = new Intl.NumberFormat('en');

export function countText(count: number): string {
  return grouped.format(count);
}

/** '240 ms', '1.3 s', '4 min', '2 h', '3 d'; figure and unit stay on one line. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}\u00a0ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)}\u00a0s`;
  if (ms < 60_000) return `${Math.floor(ms / 1000)}\u00a0s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}\u00a0min`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)}\u00a0h`;
  return `${Math.floor(ms / 86_400_000)}\u00a0d`;
}

/** '14:03:22.481', in the reader's zone. */
export function clockText(atMs: number): string {
  const at = new Date(atMs);
  const two = (n: number): string => String(n).padStart(2, '0');
  const ms = String(at.getMilliseconds()).padStart(3, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

/** 'broker-dead' as 'Broker dead'. */
export function titleText(kind: string): string {
  const words = kind.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function pluralText(count: number, one: string): string {
  return `${countText(count)} ${one}${count === 1 ? '' : 's'}`;
}

/** '17 %', and '<1 %' for a small share above zero. */
export function percentText(share: number): string {
  if (share > 0 && share < 0.01) return '<1 %';
  return `${Math.round(share * 100)} %`;
}
