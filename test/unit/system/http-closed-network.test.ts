import { execFile } from 'node:child_process';
import dns, { type LookupOptions } from 'node:dns';
import { createServer } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createHttp } from '../../../src/system/http.ts';
import { failureOf } from '../helpers/failure.ts';
import { listen, serve, serveSecurely } from '../helpers/server.ts';

const client = () => createHttp('unit-test', async () => {}, new AbortController().signal);

/** A proxy that reaches every host at the given address; tells what it was asked for. */
async function proxyTo(url: string): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const proxy = createServer((_request, response) => response.writeHead(501).end());
  proxy.on('connect', (request, socket, head) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    const server = connect(Number(new URL(url).port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      server.write(head);
      server.pipe(socket).pipe(server);
    });
    server.on('error', () => socket.destroy());
    socket.on('error', () => server.destroy());
  });
  return { port: await listen(proxy), asked };
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('a proxy of the runner’s environment', () => {
  it.each(['http_proxy', 'HTTP_PROXY'])('%s carries what is asked, with its user', async (name) => {
    const server = await serve((_request, response) => response.end('through'));
    const proxy = await proxyTo(server.url);
    vi.stubEnv(name, `http://user:s3cr%3Aet@127.0.0.1:${proxy.port}`);
    const body = await client().get('http://mirror.test/x', 'DOWNLOAD_FAILED');
    expect(body?.toString()).toBe('through');
    const credentials = Buffer.from('user:s3cr:et').toString('base64');
    expect(proxy.asked).toEqual([`CONNECT mirror.test:80 Basic ${credentials}`]);
    expect(server.requests).toEqual(['GET /x']);
  });

  it('https_proxy carries https, end to end', async () => {
    const server = await serveSecurely((_request, response) => response.end('secret'));
    const proxy = await proxyTo(server.url);
    vi.stubEnv('https_proxy', `http://127.0.0.1:${proxy.port}`);
    // The certificate is for 127.0.0.1, so the proxy's answer is refused: nobody between can speak for mirror.test.
    const failure = await failureOf(() => client().get('https://mirror.test/x', 'DOWNLOAD_FAILED'));
    expect(failure.message).toMatch(/altnames|certificate/i);
    expect(proxy.asked[0]).toBe('CONNECT mirror.test:443');
    expect(server.requests).toEqual([]);
  });

  it.each(['mirror.test', '.test', 'other.example, MIRROR.TEST:80'])('is left aside for no_proxy=%s', async (names) => {
    const proxy = await proxyTo('http://127.0.0.1:1');
    vi.stubEnv('http_proxy', `http://127.0.0.1:${proxy.port}`);
    vi.stubEnv('no_proxy', names);
    await failureOf(() => client().get('http://mirror.test/x', 'DOWNLOAD_FAILED'));
    expect(proxy.asked).toEqual([]);
  });
});

describe('a server that sends the action elsewhere', () => {
  /** Asks a server of the web, which lies behind the proxy, for what it redirects to `location`. */
  async function redirected(location: string): Promise<string> {
    const web = await serve((request, response) => {
      if (request.url === '/start') response.writeHead(302, { location }).end();
      else response.end('on the web');
    });
    const proxy = await proxyTo(web.url);
    vi.stubEnv('http_proxy', `http://127.0.0.1:${proxy.port}`);
    return await client()
      .get('http://mirror.test/start', 'DOWNLOAD_FAILED')
      .then(String, ({ message }) => message);
  }

  it.each([
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    'localhost',
    'a.localhost.',
    '2130706433',
    '169.254.169.254',
    '[::1]',
    '[::]',
    '[fe80::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:169.254.169.254]',
    '[fd00:ec2::254]',
  ])('does not reach %s by it', async (host) => {
    const inside = await serve((_request, response) => response.end('inside'));
    expect(await redirected(`http://${host}:${new URL(inside.url).port}/latest/meta-data`)).toContain(
      'leads to this machine itself',
    );
    expect(inside.requests).toEqual([]);
  });

  it('does not reach this machine by a name for it', async () => {
    const inside = await serve((_request, response) => response.end('inside'));
    vi.stubEnv('no_proxy', 'inside.test');
    const { lookup } = dns;
    dns.lookup = ((_name: string, { all }: LookupOptions, done: (...answer: unknown[]) => void) =>
      all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)) as typeof lookup;
    syncBuiltinESMExports();
    onTestFinished(() => {
      dns.lookup = lookup;
      syncBuiltinESMExports();
    });
    const port = new URL(inside.url).port;
    expect(await redirected(`http://inside.test:${port}/`)).toContain('inside.test stands for 127.0.0.1');
    expect(inside.requests).toEqual([]);
    // What the user names may be anywhere.
    expect(String(await client().get(`http://inside.test:${port}/`, 'DOWNLOAD_FAILED'))).toBe('inside');
  });

  it.each(['ftp://mirror.test/x', 'file:///etc/passwd', 'data:,x', 'http://'])(
    'does not follow %s',
    async (location) => {
      expect(await redirected(location)).toContain('not encrypted');
    },
  );

  it('reaches other servers by it', async () => {
    expect(await redirected('http://other.test/x')).toBe('on the web');
  });
});

it('NODE_EXTRA_CA_CERTS adds an authority of one’s own', async () => {
  const { url, certificate } = await serveSecurely((_request, response) => response.end('trusted'));
  const module = join(import.meta.dirname, '../../../src/system/http.ts');
  const script = `
    const { createHttp } = await import(${JSON.stringify(module)});
    const http = createHttp('unit-test', async () => {}, new AbortController().signal);
    console.log(String(await http.get(process.argv[1], 'DOWNLOAD_FAILED').catch(({ message }) => message)));`;
  const run = async (env: Record<string, string>) => {
    const argv = ['--input-type=module', '-e', script, url];
    return (await promisify(execFile)(process.execPath, argv, { env: { PATH: process.env['PATH'] ?? '', ...env } }))
      .stdout;
  };
  expect(await run({ NODE_EXTRA_CA_CERTS: certificate })).toBe('trusted\n');
  expect(await run({})).toMatch(/self-signed certificate/);
});
