import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';

/** What a fault does to the requests that it hits. */
export type FaultAction =
  /** Answers with this status and a short HTML page. */
  | { kind: 'status'; status: number; headers?: Record<string, string> }
  /** Announces the whole length, then cuts the connection after that many bytes of the body. */
  | { kind: 'drop'; afterBytes: number }
  /** A well-formed answer that holds only the first bytes of the file. */
  | { kind: 'truncate'; afterBytes: number }
  /** Sends that many bytes of the body (0 = only the headers), then nothing more while the client waits. */
  | { kind: 'stall'; afterBytes: number }
  /** Right length, some bytes flipped from that offset on. */
  | { kind: 'corrupt'; offset?: number }
  /** Another body with status 200, such as a proxy's log-in page. */
  | { kind: 'replace'; body: string; contentType?: string }
  | { kind: 'redirect'; location: string; status?: 301 | 302 | 303 | 307 | 308 }
  | { kind: 'slow'; bytesPerSecond: number }
  /** Tells HEAD the file's length, and sends with GET, which tells none, bytes without end. */
  | { kind: 'endless' }
  /** Closes the connection without an answer. */
  | { kind: 'refuse' };

export interface Fault {
  /** Host name as asked for, a glob; default every one. */
  host?: string;
  /** Path of the URL, a glob as of path.matchesGlob: `*` within one part, `**` over several. */
  path: string;
  method?: 'GET' | 'HEAD';
  /** How many requests it hits before it is used up; default all. */
  times?: number;
  action: FaultAction;
}

function matches(fault: Fault, method: string, host: string, path: string): boolean {
  return (
    (fault.method === undefined || fault.method === method) &&
    (fault.host === undefined || matchesGlob(host, fault.host)) &&
    matchesGlob(path, fault.path)
  );
}

interface Source {
  /** Changes whenever the file is replaced. */
  identity: string;
  faults: { fault: Fault; left: number }[];
}

/** The server's side: the faults in a directory, one file per handle, and how often each was used. */
export class FaultSource {
  readonly #directory: string;
  #sources = new Map<string, Source>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** What happens to this request, counted as a use; undefined when no fault matches. */
  take(method: string, host: string, path: string): FaultAction | undefined {
    this.#refresh();
    for (const { faults } of this.#sources.values()) {
      const hit = faults.find(({ fault, left }) => left > 0 && matches(fault, method, host, path));
      if (!hit) continue;
      hit.left--;
      return hit.fault.action;
    }
    return undefined;
  }

  #refresh(): void {
    const names = readdirSync(this.#directory).filter((name) => name.endsWith('.json'));
    for (const name of this.#sources.keys()) if (!names.includes(name)) this.#sources.delete(name);
    for (const name of names) {
      const file = join(this.#directory, name);
      const { ino, mtimeNs } = statSync(file, { bigint: true });
      const identity = `${ino}/${mtimeNs}`;
      if (this.#sources.get(name)?.identity === identity) continue;
      const faults = JSON.parse(readFileSync(file, 'utf8')) as Fault[];
      this.#sources.set(name, {
        identity,
        faults: faults.map((fault) => ({ fault, left: fault.times ?? Number.POSITIVE_INFINITY })),
      });
    }
  }
}
