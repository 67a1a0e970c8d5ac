/** Traffic of one log since the counts were last taken: three numbers, raised once per batch or read. */
export class LogTraffic {
  bytesIn = 0;
  bytesOut = 0;
  /** Appends and reads of this log; a request for ten partitions counts once in each. */
  requests = 0;

  wrote(bytes: number): void {
    this.bytesIn += bytes;
    this.requests++;
  }

  gave(bytes: number): void {
    this.bytesOut += bytes;
    this.requests++;
  }

  /** Takes the counts and starts again at zero. Undefined when there was no traffic. */
  take(): { readonly bytesIn: number; readonly bytesOut: number; readonly requests: number } | undefined {
    const { bytesIn, bytesOut, requests } = this;
    if (requests === 0) return undefined;
    this.bytesIn = this.bytesOut = this.requests = 0;
    return { bytesIn, bytesOut, requests };
  }
}
