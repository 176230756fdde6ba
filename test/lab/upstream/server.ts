/**
 * The lab's HTTPS server, run as a process of its own: `node server.ts <configuration file>`. It serves one directory per
 * host name, plays the faults that lie in the faults directory, and writes one JSON line per request.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { extname, join, sep } from 'node:path';
import { type FaultAction, FaultSource } from './faults.ts';

export interface ServerConfiguration {
  address: string;
  port: number;
  certificate: string;
  key: string;
  root: string;
  faultsDir: string;
  requestsFile: string;
}

/** One line of the request log. */
export interface LoggedRequest {
  time: string;
  client: string;
  method: string;
  host: string;
  path: string;
  range?: string;
  userAgent?: string;
  /** 0: the connection was closed without an answer. */
  status: number;
  /** Bytes of the body that were handed to the connection. */
  bytes: number;
  /** Whether the whole answer, as announced, was sent. */
  complete: boolean;
  fault?: FaultAction['kind'];
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.deb': 'application/x-deb',
  '.gz': 'application/x-gzip',
  '.gpg': 'application/octet-stream',
  '.run': 'application/octet-stream',
};
const contentType = (path: string): string => CONTENT_TYPES[extname(path)] ?? 'text/plain';

const CHUNK = 64 * 1024;
const CORRUPTED_BYTES = 16;

interface Span {
  start: number;
  end: number;
}

/** The bytes that a Range header of one range asks for; undefined when there is none or it is malformed. */
function parseRange(header: string | undefined, size: number): Span | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const last = size - 1;
  const [start, end] =
    match[1] === ''
      ? [Math.max(0, size - Number(match[2])), last]
      : [Number(match[1]), match[2] === '' ? last : Math.min(Number(match[2]), last)];
  return start > end || start >= size ? 'unsatisfiable' : { start, end };
}

/** The file a URL stands for; undefined when there is none. Links may lead out of the host's directory, but not out of the root. */
async function findFile(root: string, host: string, path: string): Promise<string | undefined> {
  if (!/^[a-z0-9.-]+$/.test(host) || host.startsWith('.')) return undefined;
  try {
    const file = await realpath(join(root, host, decodeURIComponent(path)));
    if (!file.startsWith(root + sep)) return undefined;
    return (await stat(file)).isFile() ? file : undefined;
  } catch {
    return undefined;
  }
}

const page = (title: string): string =>
  `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`;

class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly host: string;
  readonly path: string;
  bytes = 0;
  fault: FaultAction | undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.response = response;
    this.host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
    this.path = (request.url ?? '/').replace(/\?.*$/, '');
  }

  log(requestsFile: string): void {
    const { range, 'user-agent': userAgent } = this.request.headers;
    const line: LoggedRequest = {
      time: new Date().toISOString(),
      client: this.request.socket.remoteAddress ?? '',
      method: this.request.method ?? '',
      host: this.host,
      path: this.path,
      ...(range ? { range } : {}),
      ...(userAgent ? { userAgent } : {}),
      status: this.response.headersSent ? this.response.statusCode : 0,
      bytes: this.bytes,
      complete: this.response.writableFinished,
      ...(this.fault ? { fault: this.fault.kind } : {}),
    };
    appendFileSync(requestsFile, `${JSON.stringify(line)}\n`);
  }

  sendPage(status: number, title: string, headers: Record<string, string> = {}): void {
    this.sendText(status, page(title), { 'Content-Type': 'text/html', ...headers });
  }

  sendText(status: number, body: string, headers: Record<string, string>): void {
    this.response.writeHead(status, { 'Content-Length': Buffer.byteLength(body), ...headers });
    const withBody = this.request.method !== 'HEAD';
    this.bytes = withBody ? Buffer.byteLength(body) : 0;
    this.response.end(withBody ? body : undefined);
  }

  async #write(chunk: Buffer): Promise<boolean> {
    if (this.response.destroyed) return false;
    this.bytes += chunk.length;
    if (this.response.write(chunk)) return true;
    await new Promise<void>((resolve) => {
      this.response.once('drain', resolve);
      this.response.once('close', resolve);
    });
    return !this.response.destroyed;
  }

  /** Sends bytes until the client has enough. */
  async sendForEver(): Promise<void> {
    const chunk = Buffer.alloc(CHUNK);
    while (await this.#write(chunk));
  }

  /** Sends `span` of the file, as the fault lets it. */
  async sendBody(handle: FileHandle, span: Span): Promise<void> {
    const fault = this.fault;
    const length = span.end - span.start + 1;
    const limit = fault?.kind === 'drop' || fault?.kind === 'stall' ? Math.min(fault.afterBytes, length) : length;
    const rate = fault?.kind === 'slow' ? fault.bytesPerSecond : undefined;
    const chunkSize = rate ? Math.max(1, Math.min(CHUNK, Math.ceil(rate / 10))) : CHUNK;
    for (let sent = 0; sent < limit; ) {
      const buffer = Buffer.alloc(Math.min(chunkSize, limit - sent));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, span.start + sent);
      if (bytesRead === 0) break;
      if (fault?.kind === 'corrupt') flip(buffer, fault.offset ?? 0, span.start + sent);
      if (!(await this.#write(buffer.subarray(0, bytesRead)))) return;
      sent += bytesRead;
      if (rate) await new Promise((resolve) => setTimeout(resolve, (1000 * bytesRead) / rate));
    }
    if (fault?.kind === 'drop') {
      // Leave the bytes time to arrive: a destroyed socket throws away what is still queued.
      setTimeout(() => this.request.socket.destroy(), 200);
    } else if (fault?.kind !== 'stall') {
      this.response.end();
    }
  }
}

/** Flips the bytes of `buffer`, which starts at `position` of the file, that lie in the corrupted stretch. */
function flip(buffer: Buffer, offset: number, position: number): void {
  for (let at = offset; at < offset + CORRUPTED_BYTES; at++) {
    const index = at - position;
    if (index >= 0 && index < buffer.length) buffer[index] = (buffer[index] as number) ^ 0xff;
  }
}

async function answer(exchange: Exchange, configuration: ServerConfiguration, faults: FaultSource): Promise<void> {
  const { request, response, host, path } = exchange;
  const method = request.method ?? '';
  const fault = faults.take(method, host, path);
  exchange.fault = fault;
  if (fault?.kind === 'refuse') return void request.socket.destroy();
  if (fault?.kind === 'status') return exchange.sendPage(fault.status, `${fault.status}`, fault.headers);
  if (fault?.kind === 'redirect') {
    return exchange.sendPage(fault.status ?? 302, 'Moved', { Location: fault.location });
  }
  if (fault?.kind === 'replace') {
    return exchange.sendText(200, fault.body, { 'Content-Type': fault.contentType ?? 'text/html' });
  }
  if (method !== 'GET' && method !== 'HEAD') return exchange.sendPage(405, '405 Method Not Allowed');
  const file = await findFile(configuration.root, host, path);
  if (!file) return exchange.sendPage(404, '404 Not Found');
  const handle = await open(file);
  try {
    const { size: wholeSize, mtimeMs } = await handle.stat();
    const size = fault?.kind === 'truncate' ? Math.min(fault.afterBytes, wholeSize) : wholeSize;
    const etag = `"${wholeSize.toString(16)}-${Math.floor(mtimeMs).toString(16)}"`;
    const lastModified = new Date(mtimeMs).toUTCString();
    const headers = {
      'Accept-Ranges': 'bytes',
      'Content-Type': contentType(file),
      ETag: etag,
      'Last-Modified': lastModified,
    };
    const ifModifiedSince = Date.parse(request.headers['if-modified-since'] ?? '');
    if (request.headers['if-none-match'] === etag || ifModifiedSince >= Math.floor(mtimeMs / 1000) * 1000) {
      response.writeHead(304, headers).end();
      return;
    }
    if (fault?.kind === 'endless' && method === 'GET') {
      response.writeHead(200, headers);
      return await exchange.sendForEver();
    }
    // If-Range: a range of another file than the client has begun with would not fit.
    const ifRange = request.headers['if-range'];
    const stillFits = ifRange === undefined || ifRange === etag || ifRange === lastModified;
    const range = stillFits ? parseRange(request.headers.range, size) : undefined;
    if (range === 'unsatisfiable') {
      return exchange.sendPage(416, '416 Range Not Satisfiable', { 'Content-Range': `bytes */${size}` });
    }
    const span = range ?? { start: 0, end: size - 1 };
    const contentRange = range ? { 'Content-Range': `bytes ${span.start}-${span.end}/${size}` } : {};
    response.writeHead(range ? 206 : 200, { ...headers, ...contentRange, 'Content-Length': span.end - span.start + 1 });
    if (method === 'HEAD') response.end();
    else await exchange.sendBody(handle, span);
  } finally {
    await handle.close();
  }
}

function main(configurationFile: string): void {
  const configuration = JSON.parse(readFileSync(configurationFile, 'utf8')) as ServerConfiguration;
  const faults = new FaultSource(configuration.faultsDir);
  const tls = { cert: readFileSync(configuration.certificate), key: readFileSync(configuration.key) };
  const server = createServer(tls, (request, response) => {
    const exchange = new Exchange(request, response);
    response.once('close', () => exchange.log(configuration.requestsFile));
    answer(exchange, configuration, faults).catch((error: unknown) => {
      console.error(error);
      request.socket.destroy();
    });
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  server.listen(configuration.port, configuration.address, () => {
    const bound = server.address();
    process.stdout.write(`listening ${typeof bound === 'object' && bound ? bound.port : configuration.port}\n`);
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
}

const [configurationFile] = process.argv.slice(2);
if (import.meta.main && configurationFile) main(configurationFile);
