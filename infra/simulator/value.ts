/** What producers send. All of one length, as most people's records are: what was written there before then lines up. */
export function valueOf(producer: string, index: number): string {
  return `${producer}:${index}`.padEnd(valueChars, '_');
}

const valueChars = 12;
