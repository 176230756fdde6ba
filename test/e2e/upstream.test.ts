import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { Lab } from '../lab/lab.ts';
import { GATEWAY } from '../lab/paths.ts';
import type { Upstream } from '../lab/upstream/upstream.ts';

let lab: Lab;
let upstream: Upstream;

beforeAll(async () => {
  lab = await Lab.connect();
  if (!lab.upstream) throw new Error('the lab is up without the upstream servers');
  upstream = lab.upstream;
});
afterAll(() => lab?.down());

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Whether the connection ended before the announced length. */
  cut: boolean;
}

/** Asks the lab's server for a URL as a client does that resolves the name to it and trusts the lab's authority. */
function ask(url: string, options: { method?: string; headers?: Record<string, string>; patience?: number } = {}) {
  const { hostname, pathname } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request(
    {
      host: GATEWAY,
      servername: hostname,
      path: pathname,
      method: options.method ?? 'GET',
      headers: { Host: hostname, ...options.headers },
      ca: readFileSync(upstream.caCertificate),
      agent: false,
    },
    (response) => {
      const chunks: Buffer[] = [];
      const done = (cut: boolean) =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks), cut });
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => done(false));
      response.on('error', () => done(true));
      if (options.patience) setTimeout(() => outgoing.destroy(), options.patience);
    },
  );
  outgoing.on('error', reject);
  outgoing.end();
  return promise;
}

const RUNFILE = 'https://us.download.nvidia.com/XFree86/Linux-x86_64/470.256.02/NVIDIA-Linux-x86_64-470.256.02.run';

describe('files', () => {
  test('a runfile has the checksum that lies beside it', async () => {
    const [runfile, checksum] = await Promise.all([ask(RUNFILE), ask(`${RUNFILE}.sha256sum`)]);
    const digest = createHash('sha256').update(runfile.body).digest('hex');
    expect(checksum.body.toString()).toBe(`${digest}  NVIDIA-Linux-x86_64-470.256.02.run\n`);
    expect(runfile.headers).toMatchObject({
      'content-length': String(runfile.body.length),
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
    });
  });

  test('HEAD gives the headers alone', async () => {
    const head = await ask(RUNFILE, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.body).toHaveLength(0);
    expect(Number(head.headers['content-length'])).toBeGreaterThan(5_000_000);
  });

  test('a range continues a download, and not that of another file', async () => {
    const whole = await ask(RUNFILE);
    const etag = String(whole.headers['etag']);
    const rest = await ask(RUNFILE, { headers: { Range: 'bytes=1000000-', 'If-Range': etag } });
    expect(rest.status).toBe(206);
    expect(rest.headers['content-range']).toBe(`bytes 1000000-${whole.body.length - 1}/${whole.body.length}`);
    expect(rest.body.equals(whole.body.subarray(1_000_000))).toBe(true);
    expect((await ask(RUNFILE, { headers: { Range: 'bytes=1000000-', 'If-Range': '"other"' } })).status).toBe(200);
    expect((await ask(RUNFILE, { headers: { Range: 'bytes=-10' } })).body).toHaveLength(10);
    expect((await ask(RUNFILE, { headers: { Range: `bytes=${whole.body.length}-` } })).status).toBe(416);
    expect((await ask(RUNFILE, { headers: { 'If-None-Match': etag } })).status).toBe(304);
  });

  test.each([
    ['a version that is only in the data centre tree', '/XFree86/Linux-x86_64/570.172.08/', 404],
    ['its file there', '/tesla/570.172.08/', 200],
    ['a version that is not in the data centre tree', '/tesla/580.142/', 404],
  ])('%s', async (_, directory, status) => {
    const version = directory.split('/').at(-2);
    const url = `https://us.download.nvidia.com${directory}NVIDIA-Linux-x86_64-${version}.run`;
    expect((await ask(url, { method: 'HEAD' })).status).toBe(status);
  });

  test('some runfiles have no checksum beside them', async () => {
    const directory = 'https://us.download.nvidia.com/tesla/550.163.01';
    expect((await ask(`${directory}/NVIDIA-Linux-x86_64-550.163.01.run.sha256sum`)).status).toBe(404);
  });

  test('no path leads out of the served tree', async () => {
    for (const path of ['/../../../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/XFree86']) {
      expect((await ask(`https://us.download.nvidia.com${path}`)).status).toBe(404);
    }
  });

  test('requests are logged', async () => {
    const path = '/XFree86/Linux-x86_64/470.256.02/NVIDIA-Linux-x86_64-470.256.02.run.md5sum';
    await upstream.clearRequests();
    const { body } = await ask(`https://us.download.nvidia.com${path}`);
    await expect
      .poll(() => upstream.requests())
      .toContainEqual(
        expect.objectContaining({
          method: 'GET',
          host: 'us.download.nvidia.com',
          path,
          status: 200,
          bytes: body.length,
          complete: true,
        }),
      );
  });
});

describe('faults', () => {
  afterEach(() => upstream.setFaults([]));
  const path = new URL(RUNFILE).pathname;

  test('drop: the connection ends early', async () => {
    await upstream.setFaults([{ path, times: 1, action: { kind: 'drop', afterBytes: 100_000 } }]);
    const first = await ask(RUNFILE);
    expect({ cut: first.cut, bytes: first.body.length }).toEqual({ cut: true, bytes: 100_000 });
    const second = await ask(RUNFILE);
    expect({ cut: second.cut, status: second.status }).toEqual({ cut: false, status: 200 });
  });

  test('truncate: a short file that looks whole', async () => {
    await upstream.setFaults([
      { host: 'us.*', path: '/XFree86/**', action: { kind: 'truncate', afterBytes: 100_000 } },
    ]);
    const answer = await ask(RUNFILE);
    expect([answer.cut, answer.body.length, answer.headers['content-length']]).toEqual([false, 100_000, '100000']);
  });

  test('stall: headers and some bytes, then silence', async () => {
    await upstream.setFaults([{ path, action: { kind: 'stall', afterBytes: 5_000 } }]);
    const answer = await ask(RUNFILE, { patience: 500 });
    expect([answer.cut, answer.body.length]).toEqual([true, 5_000]);
  });

  test('corrupt: same length, other bytes', async () => {
    const whole = await ask(RUNFILE);
    await upstream.setFaults([{ path, action: { kind: 'corrupt', offset: 2_000_000 } }]);
    const answer = await ask(RUNFILE);
    expect(answer.body.length).toBe(whole.body.length);
    expect(answer.body.subarray(0, 2_000_000).equals(whole.body.subarray(0, 2_000_000))).toBe(true);
    expect(answer.body.equals(whole.body)).toBe(false);
  });

  test('status, redirect, another body, no answer', async () => {
    await upstream.setFaults([
      { path, times: 1, action: { kind: 'status', status: 503, headers: { 'Retry-After': '1' } } },
      { path, times: 1, action: { kind: 'redirect', location: 'http://example.invalid/x.run' } },
      { path, times: 1, action: { kind: 'replace', body: '' } },
      { path, times: 1, action: { kind: 'refuse' } },
    ]);
    expect(await ask(RUNFILE)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(await ask(RUNFILE)).toMatchObject({ status: 302, headers: { location: 'http://example.invalid/x.run' } });
    expect(await ask(RUNFILE)).toMatchObject({ status: 200, headers: { 'content-length': '0' } });
    await expect(ask(RUNFILE)).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await ask(RUNFILE)).status).toBe(200);
  });

  test('slow: bytes come at the rate asked for', async () => {
    await upstream.setFaults([{ path, action: { kind: 'slow', bytesPerSecond: 100_000 } }]);
    const { body } = await ask(RUNFILE, { patience: 1_000 });
    expect(body.length).toBeGreaterThan(20_000);
    expect(body.length).toBeLessThan(150_000);
  });
});

describe.each(['debian12', 'debian13'] as const)('apt in %s', (distro) => {
  let container: Container;
  const noninteractive = { DEBIAN_FRONTEND: 'noninteractive' };
  const cuda = `developer.download.nvidia.com/compute/cuda/repos/${distro}/x86_64`;

  /** The lab's repositories only: Debian's own are as the base system left them. */
  const update = (list: string) => container.exec({ script: UPDATE, args: [list] });
  const UPDATE = 'apt-get update -o Dir::Etc::sourcelist="$1" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0';

  beforeAll(async () => {
    const host = await lab.host();
    container = await host.createContainer({ base: distro, variant: 'prepared' });
    const keyring = readFileSync(join(upstream.root, cuda, 'cuda-keyring_1.1-1_all.deb'));
    await container.writeFile('/root/cuda-keyring.deb', keyring);
    await container.execOk(['dpkg', '-i', '/root/cuda-keyring.deb']);
    await container.execOk({
      script:
        'curl -fsSL https://nvidia.github.io/libnvidia-container/gpgkey >/usr/share/keyrings/nvidia-container.asc',
    });
    await container.writeFile(
      '/etc/apt/sources.list.d/nvidia-container.list',
      'deb [signed-by=/usr/share/keyrings/nvidia-container.asc] https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH) /\n',
    );
  });

  test('the keyring package trusts the key whose fingerprint the lab tells', async () => {
    const show = 'gpg --show-keys --with-colons "$1" | sed -n "s/^fpr:*\\([0-9A-F]*\\):/\\1/p"';
    const args = ['/usr/share/keyrings/cuda-archive-keyring.gpg'];
    expect((await container.execOk({ script: show, args })).trim()).toBe(upstream.fingerprints[distro]);
    const container2 = await container.execOk({ script: show, args: ['/usr/share/keyrings/nvidia-container.asc'] });
    expect(container2.trim()).toBe(upstream.fingerprints.container);
  });

  test('both repositories are accepted', async () => {
    expect(await update(`/etc/apt/sources.list.d/cuda-${distro}-x86_64.list`)).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
    expect(await update('/etc/apt/sources.list.d/nvidia-container.list')).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test("libnvidia-container1 is in debian12's CUDA repository, not in debian13's", async () => {
    const policy = await container.execOk(['apt-cache', 'policy', 'libnvidia-container1']);
    expect(policy).toContain('Candidate: 1.19.1-1');
    expect(policy).toContain('https://nvidia.github.io/libnvidia-container/stable/deb/amd64');
    expect(policy.includes(`https://${cuda}`)).toBe(distro === 'debian12');
  });

  test('a toolkit installs, and nvcc answers', async () => {
    const install = [
      'apt-get',
      'install',
      '-y',
      '--no-install-recommends',
      'cuda-toolkit-13-0',
      'libnvidia-container1',
    ];
    await container.execOk(install, { variables: noninteractive });
    expect(await container.execOk(['/usr/local/cuda/bin/nvcc', '--version'])).toContain('release 13.0, V13.0.88');
    expect(await container.execOk(['readlink', '-f', '/usr/local/cuda-13'])).toBe('/usr/local/cuda-13.0\n');
    expect((await container.exec({ script: 'ls /usr/lib/x86_64-linux-gnu/libcuda.so*' })).stdout).toBe('');
  });

  test('the toolkit is removed without a trace of its links', async () => {
    await container.execOk(['apt-get', 'autoremove', '-y', '--purge', 'cuda-toolkit-13-0'], {
      variables: noninteractive,
    });
    expect((await container.exec({ script: 'ls -d /usr/local/cuda*' })).stdout).toBe('');
  });

  test('a driver comes in by a careless install', async () => {
    const toolkit = distro === 'debian12' ? 'cuda-toolkit-12-9' : 'cuda-13-0';
    const plan = await container.execOk(['apt-get', '-s', 'install', toolkit]);
    expect(plan).toContain('Inst libcuda1 (580.95.05-1 NVIDIA CUDA');
  });

  test('a repository signed by a stranger is refused', async () => {
    await container.writeFile(
      '/root/bad.list',
      `deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] https://mirror.lab.test/bad-signature/cuda/${distro}/x86_64/ /\n`,
    );
    const { exitCode, stderr } = await update('/root/bad.list');
    expect(exitCode).toBe(100);
    expect(stderr).toContain('is not signed');
  });

  if (distro !== 'debian13') return;
  test("debian12's repository is refused, for the SHA-1 in its key", async () => {
    const other = 'https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64';
    await container.execOk({
      script: 'curl -fsSL "$1" >/usr/share/keyrings/debian12.asc',
      args: [`${other}/3bf863cc.pub`],
    });
    await container.writeFile('/root/debian12.list', `deb [signed-by=/usr/share/keyrings/debian12.asc] ${other}/ /\n`);
    const { exitCode, stdout, stderr } = await update('/root/debian12.list');
    expect(exitCode).toBe(100);
    expect(stdout + stderr).toContain('SHA1 is not considered secure since 2026-02-01T00:00:00Z');
  });
});
