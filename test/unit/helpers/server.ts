import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

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
