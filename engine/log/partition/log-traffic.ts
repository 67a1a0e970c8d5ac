/** What went through one log since somebody last took the count: three numbers, raised once per batch or read. */
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

  /** Counting starts again at zero. Undefined when there was nothing. */
  take(): { readonly bytesIn: number; readonly bytesOut: number; readonly requests: number } | undefined {
    const { bytesIn, bytesOut, requests } = this;
    if (requests === 0) return undefined;
    this.bytesIn = this.bytesOut = this.requests = 0;
    return { bytesIn, bytesOut, requests };
  }
}
