/**
 * Buffer's direct string methods. Node has had them since version 0 and uses them itself behind toString and write. Calling
 * them directly skips the encoding lookup, which is most of the cost of a short string. @types/node leaves them out.
 */
declare global {
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    utf8Slice(start?: number, end?: number): string;
    base64Slice(start?: number, end?: number): string;
    base64urlSlice(start?: number, end?: number): string;
    latin1Write(text: string, offset?: number, length?: number): number;
    utf8Write(text: string, offset?: number, length?: number): number;
    base64Write(text: string, offset?: number, length?: number): number;
  }
}

export {};
