import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './temporary.ts';

/** Answers the n-th request (from 0) of a server. */
export type Handler = (request: IncomingMessage, response: ServerResponse, index: number) => void;

/** A web server on the loopback interface for the running test. */
export async function serve(handler: Handler): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    handler(request, response, requests.length - 1);
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, requests };
}

/** The same with https, and a throwaway certificate that this process trusts until the test has finished. */
export async function serveSecurely(
  handler: Handler,
): Promise<{ url: string; requests: string[]; certificate: string }> {
  const directory = temporaryDirectory();
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  });
  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, readFileSync(certificate, 'utf8')]);
  onTestFinished(() => setDefaultCACertificates(trusted));
  const requests: string[] = [];
  const server = createSecureServer(
    { key: readFileSync(key), cert: readFileSync(certificate) },
    (request, response) => {
      requests.push(`${request.method} ${request.url}`);
      handler(request, response, requests.length - 1);
    },
  );
  return { url: `https://127.0.0.1:${await listen(server)}`, requests, certificate };
}

/** Starts a server on a free port; it is closed, with all its connections, when the running test has finished. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return (server.address() as AddressInfo).port;
}
