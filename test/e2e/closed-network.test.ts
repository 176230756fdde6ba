import { copyFile, mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GATEWAY, IMPERSONATED_NAMES } from '../lab/paths.ts';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

const DRIVER = '580.159.04';
const PASSWORD = 's3cr3t-0f-the-proxy';
const CREDENTIALS = `Basic ${Buffer.from(`apt:${PASSWORD}`).toString('base64')}`;

let scenario: Scenario;
let proxy: Server;
/** What the proxy was asked for with the right credentials: `CONNECT host:port` or `GET http://…`. */
let asked: string[] = [];

beforeAll(async () => {
  scenario = await Scenario.start({ driver: DRIVER });
  proxy = createServer(forward).on('connect', tunnel);
  await new Promise<void>((resolve) => {
    proxy.listen(0, GATEWAY, resolve);
  });
});
afterAll(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await scenario.end();
});

function allowed(message: IncomingMessage): boolean {
  const right = message.headers['proxy-authorization'] === CREDENTIALS;
  if (right) asked.push(`${message.method} ${message.url}`);
  return right;
}

function forward(message: IncomingMessage, response: ServerResponse): void {
  if (!allowed(message)) {
    response.writeHead(407, { 'proxy-authenticate': 'Basic realm="lab"' }).end();
    return;
  }
  const { 'proxy-authorization': _mine, ...headers } = message.headers;
  const onward = request(message.url ?? '', { method: message.method ?? 'GET', headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  message.pipe(onward);
}

function tunnel(message: IncomingMessage, socket: Duplex, head: Buffer): void {
  if (!allowed(message)) {
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="lab"\r\n\r\n');
    return;
  }
  const [host = '', port = '443'] = (message.url ?? '').split(':');
  const { address, port: own } = scenario.upstream;
  const server = IMPERSONATED_NAMES.includes(host as (typeof IMPERSONATED_NAMES)[number])
    ? connect(own, address)
    : connect(Number(port), host);
  server.on('connect', () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    server.write(head);
    server.pipe(socket).pipe(server);
  });
  server.on('error', () => socket.destroy());
  socket.on('error', () => server.destroy());
}

const port = () => (proxy.address() as AddressInfo).port;

test('apt in a container goes through a proxy for the time of the run, and nothing of it stays', async () => {
  const container = await scenario.container();
  asked = [];
  const result = await scenario.run({
    containers: `${container.ctid}`,
    'cuda-version': 'none',
    'container-proxy': `http://apt:${PASSWORD}@${GATEWAY}:${port()}`,
    'container-no-proxy': 'nowhere.example',
  });
  expect(result.outputs['result']).toBe('changed');
  expect(asked).toContain('CONNECT nvidia.github.io:443');
  expect(result.stdout).toMatch(/^\d+ │ \d+ % installed.*: .*libnvidia-container1/m);

  // The runner is told to mask it before anything else; no command, file of the run or place in the container has it.
  const told = result.stdout.split('\n').filter((line) => line.includes(PASSWORD));
  expect(told.every((line) => line.startsWith('::add-mask::'))).toBe(true);
  expect(told.length).toBeGreaterThan(0);
  expect(result.summary + JSON.stringify([result.pctCalls, result.outputs, result.post])).not.toContain(PASSWORD);
  const found = await container.exec({
    script: 'grep -rlsF -e "$1" -e "$2" /etc /var /root /tmp /home || true; env',
    args: [PASSWORD, `${GATEWAY}:${port()}`],
  });
  expect(found.stdout).not.toContain('/etc/');
  expect(found.stdout).not.toMatch(/proxy|\/var\/|\/tmp\//);
  expect(await leftovers(container)).toBe('');
});

test('a proxy that refuses is what the failure says', async () => {
  const container = await scenario.container();
  const result = await scenario.run(
    {
      containers: `${container.ctid}`,
      'cuda-version': 'none',
      'container-proxy': `http://apt:wrong@${GATEWAY}:${port()}`,
    },
    { exitCode: 1 },
  );
  expect(result.outputs['failure-reason']).toBe('APT_FAILED');
  expect(result.summary).toContain('407');
  expect(result.summary).not.toContain('apt:wrong');
});

test("the action's own downloads go through the runner's proxy, but for what no_proxy names", async () => {
  const container = await scenario.container();
  asked = [];
  const result = await scenario.run(
    { containers: `${container.ctid}`, 'cuda-version': '12.8', mode: 'plan' },
    {
      exitCode: 0,
      env: { https_proxy: `http://apt:${PASSWORD}@${GATEWAY}:${port()}`, no_proxy: 'nvidia.github.io' },
    },
  );
  expect(result.outputs['result']).toBe('planned');
  expect(asked).toContain('CONNECT developer.download.nvidia.com:443');
  expect(asked).not.toContain('CONNECT nvidia.github.io:443');
  expect(result.stdout + result.summary).not.toContain(PASSWORD);
});

test('a runfile on the host is installed without a download', async () => {
  const container = await scenario.container();
  const name = `NVIDIA-Linux-x86_64-${DRIVER}.run`;
  const directory = `/var/tmp/closed-network-${container.ctid}`;
  const tree = `${scenario.upstream.root}/us.download.nvidia.com/XFree86/Linux-x86_64/${DRIVER}`;
  await mkdir(directory);
  try {
    await copyFile(`${tree}/${name}`, `${directory}/${name}`);
    const inputs = {
      containers: `${container.ctid}`,
      'cuda-version': 'none',
      'nvidia-container': 'none',
      'runfile-url': `file://${directory}/NVIDIA-Linux-{arch}-{version}.run`,
    };
    // Without a checksum beside it, it is refused as one on the web would be.
    const refused = await scenario.run(inputs, { exitCode: 1 });
    expect(refused.outputs['failure-reason']).toBe('RUNFILE_NO_CHECKSUM');

    await copyFile(`${tree}/${name}.sha256sum`, `${directory}/${name}.sha256sum`);
    await scenario.upstream.clearRequests();
    const result = await scenario.run(inputs);
    expect(result.outputs['result']).toBe('changed');
    expect(await libraryVersions(container)).toEqual([DRIVER]);
    const requests = await scenario.upstream.requests();
    expect(requests.filter(({ path }) => path.includes(DRIVER))).toEqual([]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
