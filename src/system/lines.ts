import { CONTAINER_LIMITS } from './limits.ts';

const { lineLength: LONGEST } = CONTAINER_LIMITS;

/** Bytes that are enough for a line of that length: UTF-8 has three at most for each UTF-16 unit. */
const LONGEST_BYTES = 3 * LONGEST;

/** Room for the note at the end of a line that was cut. */
const NOTE = 40;

/**
 * Cuts a byte stream into lines; `end()` hands on an unterminated last line. Invalid UTF-8 becomes U+FFFD. Of a line that
 * is longer than the limit the beginning is handed on, with a note; together they have the limit's length at most.
 *
 * Takes time in proportion to the bytes and memory for one line. No line holds on to the chunk that it came in, as a part
 * of a string would.
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #line = Buffer.alloc(LONGEST_BYTES);
  /** Bytes of the line that are kept, and that it has. */
  #kept = 0;
  #size = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(data: Buffer): void {
    let start = 0;
    for (let end = data.indexOf('\n'); end >= 0; end = data.indexOf('\n', start)) {
      this.#take(data.subarray(start, end));
      this.#flush();
      start = end + 1;
    }
    this.#take(data.subarray(start));
  }

  end(): void {
    if (this.#size > 0) this.#flush();
  }

  #take(piece: Buffer): void {
    this.#kept += piece.copy(this.#line, this.#kept);
    this.#size += piece.length;
  }

  #flush(): void {
    const line = this.#line.toString('utf8', 0, this.#kept);
    const whole = this.#kept === this.#size && line.length <= LONGEST;
    const told = whole ? line : cut(line, this.#size);
    this.#kept = this.#size = 0;
    this.#onLine(told);
  }
}

/** A string of its own: what `slice` gives would keep the whole line in memory. */
function cut(line: string, bytes: number): string {
  return Buffer.from(`${line.slice(0, LONGEST - NOTE)}… (a line of ${bytes} bytes)`).toString();
}

/** Keeps the beginning of a byte stream, up to a number of bytes, in one piece: a chunk can be as small as one byte. */
export class FirstBytes {
  readonly #limit: number;
  #bytes = Buffer.alloc(0);
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(data: Buffer): void {
    const kept = data.subarray(0, this.#limit - this.#size);
    if (this.#size + kept.length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.min(this.#limit, Math.max(2 * this.#bytes.length, this.#size + kept.length)));
      this.#bytes.copy(larger, 0, 0, this.#size);
      this.#bytes = larger;
    }
    this.#size += kept.copy(this.#bytes, this.#size);
  }

  /** As UTF-8; what isn't becomes U+FFFD. */
  text(): string {
    return this.#bytes.toString('utf8', 0, this.#size);
  }
}

/** Keeps the end of a text that comes in lines, up to a number of characters. Takes the same time for every line. */
export class LastLines {
  readonly #limit: number;
  #lines: string[] = [];
  /** How many of the lines are forgotten already. */
  #forgotten = 0;
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(line: string): void {
    this.#lines.push(line);
    this.#size += line.length + 1;
    while (this.#size > this.#limit && this.#forgotten < this.#lines.length - 1) {
      this.#size -= (this.#lines[this.#forgotten] ?? '').length + 1;
      this.#lines[this.#forgotten++] = '';
    }
    // Not line by line: shift() moves all that are left.
    if (this.#forgotten > 1000 && this.#forgotten > this.#lines.length / 2) {
      this.#lines = this.#lines.slice(this.#forgotten);
      this.#forgotten = 0;
    }
  }

  text(): string {
    return this.#lines.slice(this.#forgotten).join('\n');
  }
}
