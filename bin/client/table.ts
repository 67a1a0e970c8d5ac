/** Tables for people. Pure. */
export type Cell = string | number | boolean | null | undefined;

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => Cell;
}

/** Columns as wide as their widest cell; numbers aligned right. One line per row, without trailing blanks. */
export function table<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)));
  const texts = cells.map((row) => row.map(cellText));
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...texts.map((row) => row[i]!.length)));
  const isNumber = columns.map((_, i) => cells.length > 0 && cells.every((row) => typeof row[i] === 'number'));
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => (isNumber[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return `${[columns.map(({ title }) => title), ...texts].map(line).join('\n')}\n`;
}

/** One item as lines of name and value. */
export function fields(pairs: readonly (readonly [name: string, value: Cell])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs
    .map(([name, value]) => `${name.padEnd(width)}  ${cellText(value)}`.trimEnd())
    .join('\n')
    .concat('\n');
}

export function time(atMs: number): string {
  return new Date(atMs).toISOString();
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Decimal units, as quotas use. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function cellText(cell: Cell): string {
  // Text from tenants may hold terminal controls.
  return cell === null || cell === undefined ? '-' : printable(String(cell));
}

/** Control characters, which a terminal would obey, as \xNN. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
