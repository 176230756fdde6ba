import { StringDecoder } from 'node:string_decoder';

/** A line longer than this many UTF-16 units is handed on in its first part only: nothing grows without bound. */
const LONGEST = 64 * 1024;

/** Cuts a byte stream into lines; `end()` hands on an unterminated last line. Invalid UTF-8 becomes U+FFFD. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(data: Buffer): void {
    const pieces = this.#decoder.write(data).split('\n');
    for (const [index, piece] of pieces.entries()) {
      if (this.#rest.length < LONGEST) this.#rest += piece.slice(0, LONGEST - this.#rest.length);
      if (index < pieces.length - 1) this.#flush();
    }
  }

  end(): void {
    this.write(Buffer.from(this.#decoder.end()));
    if (this.#rest !== '') this.#flush();
  }

  #flush(): void {
    this.#onLine(this.#rest);
    this.#rest = '';
  }
}

/** Keeps the end of a text that comes in lines, up to a number of characters. */
export class LastLines {
  readonly #limit: number;
  readonly #lines: string[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(line: string): void {
    this.#lines.push(line);
    this.#size += line.length + 1;
    while (this.#size > this.#limit && this.#lines.length > 1) this.#size -= (this.#lines.shift() ?? '').length + 1;
  }

  text(): string {
    return this.#lines.join('\n');
  }
}
