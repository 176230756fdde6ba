import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type ExpectStatic, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import type { ActionResult } from '../lab/runner.ts';
import type { Fault, LoggedRequest } from '../lab/upstream/upstream.ts';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

/*
 * Tests here run side by side, most of their time is waiting. Faults of all of them add up on the one server, so each has
 * a runfile of its own: a version in one of the mirror's two trees.
 */

/** A host whose driver is the given version, one container, and the runfile of that version on the mirror. */
class Download {
  readonly scenario: Scenario;
  readonly container: Container;
  readonly path: string;
  readonly toolCache: string;

  private constructor(scenario: Scenario, container: Container, path: string, toolCache: string) {
    this.scenario = scenario;
    this.container = container;
    this.path = path;
    this.toolCache = toolCache;
  }

  static async start(tree: 'nvidia' | 'tesla', driver: string): Promise<Download> {
    const scenario = await Scenario.start({ driver });
    const toolCache = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-tools-'));
    const path = `/${tree}/${driver}/NVIDIA-Linux-x86_64-${driver}.run`;
    return new Download(scenario, await scenario.container(), path, toolCache);
  }

  /** The runfile's fault (or that of another file beside it). */
  fault(action: Fault['action'], changes: Partial<Fault> = {}): Fault {
    return { host: 'mirror.lab.test', path: this.path, method: 'GET', action, ...changes };
  }

  run(faults: readonly Fault[], exitCode = 0, inputs: Record<string, string> = {}): Promise<ActionResult> {
    return this.scenario.upstream.setFaults(faults).then(() =>
      this.scenario.run(
        {
          containers: `${this.container.ctid}`,
          'cuda-version': 'none',
          'nvidia-container': 'none',
          'runfile-url': `https://mirror.lab.test${this.path}`,
          ...inputs,
        },
        { exitCode, env: { RUNNER_TOOL_CACHE: this.toolCache } },
      ),
    );
  }

  /** What was asked of the runfile itself. */
  async gets(): Promise<LoggedRequest[]> {
    const requests = await this.scenario.upstream.requests();
    return requests.filter(
      ({ method, host, path }) => method === 'GET' && host === 'mirror.lab.test' && path === this.path,
    );
  }

  async cached(): Promise<string[]> {
    return readdir(join(this.toolCache, 'nvidia-runfile')).catch(() => []);
  }

  async end(): Promise<void> {
    await this.scenario.upstream.setFaults([]);
    await this.scenario.end();
    await rm(this.toolCache, { recursive: true, force: true });
  }
}

/** A test with a download of its own; several at once. */
function downloadTest(
  title: string,
  [tree, driver]: readonly ['nvidia' | 'tesla', string],
  body: (download: Download, expect: ExpectStatic) => Promise<void>,
): void {
  test.concurrent(title, async ({ expect }) => {
    const download = await Download.start(tree, driver);
    try {
      await body(download, expect);
    } finally {
      await download.end();
    }
  });
}

const DROPPED_AFTER = 3_000_000;

describe.concurrent('a runfile whose download', () => {
  downloadTest('breaks off goes on where it was', ['nvidia', '590.48.01'], async (download, expect) => {
    await download.run([download.fault({ kind: 'drop', afterBytes: DROPPED_AFTER }, { times: 1 })]);
    expect(await libraryVersions(download.container)).toEqual(['590.48.01']);
    const [first, second, ...more] = await download.gets();
    expect(more).toEqual([]);
    expect(first).toMatchObject({ status: 200, bytes: DROPPED_AFTER, fault: 'drop' });
    expect(second).toMatchObject({ status: 206, range: `bytes=${DROPPED_AFTER}-`, complete: true });
  });

  downloadTest(
    'breaks off at every try is given up, saying how far it came',
    ['tesla', '470.256.02'],
    async (download, expect) => {
      const { outputs, summary } = await download.run([download.fault({ kind: 'drop', afterBytes: 1_000_000 })], 1);
      expect(outputs['failure-reason']).toBe('DOWNLOAD_FAILED');
      expect(summary).toMatch(/broke off after 4000000 of \d+ bytes/);
      expect((await download.gets()).map(({ range }) => range)).toEqual([
        undefined,
        'bytes=1000000-',
        'bytes=2000000-',
        'bytes=3000000-',
      ]);
      expect(await leftovers(download.container)).toBe('');
      expect(await download.cached()).toEqual([]);
    },
  );

  downloadTest('stops in silence goes on where it was', ['nvidia', '470.256.02'], async (download, expect) => {
    const { durationMs } = await download.run([
      download.fault({ kind: 'stall', afterBytes: DROPPED_AFTER }, { times: 1 }),
    ]);
    expect(durationMs).toBeLessThan(60_000);
    expect(await libraryVersions(download.container)).toEqual(['470.256.02']);
    expect((await download.gets()).map(({ range }) => range)).toContain(`bytes=${DROPPED_AFTER}-`);
  });

  downloadTest(
    'is cut short without saying so has the wrong checksum',
    ['nvidia', '580.142'],
    async (download, expect) => {
      const { outputs } = await download.run([download.fault({ kind: 'truncate', afterBytes: 1_000_000 })], 1);
      expect(outputs['failure-reason']).toBe('RUNFILE_CHECKSUM_MISMATCH');
      expect(await download.gets()).toHaveLength(1);
      expect(await download.cached()).toEqual([]);
      expect(await leftovers(download.container)).toBe('');
    },
  );

  downloadTest(
    'brings wrong bytes is refused at once; right ones are taken next time',
    ['tesla', '590.48.01'],
    async (download, expect) => {
      const { outputs } = await download.run([download.fault({ kind: 'corrupt', offset: 2_000_000 }, { times: 1 })], 1);
      expect(outputs['failure-reason']).toBe('RUNFILE_CHECKSUM_MISMATCH');
      expect(await download.gets()).toHaveLength(1);
      expect(await libraryVersions(download.container)).toEqual([]);
      await download.run([]);
      expect(await libraryVersions(download.container)).toEqual(['590.48.01']);
    },
  );

  downloadTest('is refused for a moment (503) is tried again', ['nvidia', '535.261.03'], async (download, expect) => {
    await download.run([download.fault({ kind: 'status', status: 503 }, { times: 2 })]);
    expect((await download.gets()).map(({ status }) => status)).toEqual([503, 503, 200]);
    expect(await libraryVersions(download.container)).toEqual(['535.261.03']);
  });

  downloadTest('is not there (404) is not tried again', ['tesla', '550.163.01'], async (download, expect) => {
    const inputs = { 'runfile-sha256': 'a'.repeat(64) };
    const { outputs } = await download.run([download.fault({ kind: 'status', status: 404 })], 1, inputs);
    expect(outputs['failure-reason']).toBe('DOWNLOAD_FAILED');
    expect(await download.gets()).toHaveLength(1);
  });

  downloadTest(
    'is elsewhere on an encrypted server is fetched there',
    ['tesla', '580.159.04'],
    async (download, expect) => {
      const location = `https://us.download.nvidia.com/tesla/580.159.04/NVIDIA-Linux-x86_64-580.159.04.run`;
      await download.run([download.fault({ kind: 'redirect', location })]);
      expect(await libraryVersions(download.container)).toEqual(['580.159.04']);
    },
  );

  downloadTest(
    'is elsewhere without encryption is refused, and not asked for',
    ['tesla', '535.261.03'],
    async (download, expect) => {
      const location = `http://us.download.nvidia.com/tesla/535.261.03/NVIDIA-Linux-x86_64-535.261.03.run`;
      const { outputs, summary } = await download.run([download.fault({ kind: 'redirect', location })], 1);
      expect(outputs['failure-reason']).toBe('DOWNLOAD_FAILED');
      expect(summary).toContain('not encrypted');
      expect(await download.gets()).toHaveLength(1);
    },
  );
});

describe.concurrent("a runfile's checksum file", () => {
  downloadTest(
    'that is missing or holds none: nothing is downloaded',
    ['nvidia', '550.163.01'],
    async (download, expect) => {
      const path = `${download.path}.sha256sum`;
      const missing = await download.run([download.fault({ kind: 'status', status: 404 }, { path })], 1);
      expect(missing.outputs['failure-reason']).toBe('RUNFILE_NO_CHECKSUM');
      const body = '<html>Please log in</html>';
      const malformed = await download.run([download.fault({ kind: 'replace', body }, { path })], 1);
      expect(malformed.outputs['failure-reason']).toBe('DOWNLOAD_FAILED');
      expect(malformed.summary).toContain('holds no checksum');
      expect(await download.gets()).toEqual([]);
      expect(malformed.pctCalls).toHaveLength(1); // the observation
    },
  );

  downloadTest('that comes only at the third try is enough', ['nvidia', '580.159.04'], async (download, expect) => {
    const path = `${download.path}.sha256sum`;
    const { outputs } = await download.run(
      [
        download.fault({ kind: 'refuse' }, { path, times: 1 }),
        download.fault({ kind: 'drop', afterBytes: 10 }, { path, times: 1 }),
      ],
      0,
      { mode: 'plan' },
    );
    expect(outputs['result']).toBe('planned');
  });
});

describe.concurrent("a repository's files", () => {
  const packages = '/cuda/debian12/x86_64/Packages.gz';
  const keyring = '/cuda/debian12/x86_64/cuda-keyring_1.1-1_all.deb';
  const location = 'https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64';
  const mirror = (action: Fault['action'], changes: Partial<Fault> = {}): Fault => ({
    host: 'mirror.lab.test',
    path: packages,
    action,
    ...changes,
  });

  const plan = async (download: Download, fault: Fault, exitCode: number) => {
    await download.scenario.upstream.setFaults([fault]);
    const { outputs, summary } = await download.scenario.run(
      {
        mode: 'plan',
        containers: `${download.container.ctid}`,
        'cuda-version': '12.8',
        'cuda-repository': 'https://mirror.lab.test/cuda',
      },
      { exitCode },
    );
    return `${outputs['result']} ${outputs['failure-reason']} ${/is not a gzip file|HTTP 404|not encrypted|is not a Debian package/.exec(summary)?.[0] ?? ''}`.trim();
  };

  downloadTest('read on the host', ['nvidia', '580.159.04'], async (download, expect) => {
    const seen: Record<string, string> = {};
    for (const [what, fault, exitCode] of [
      ['dropped once', mirror({ kind: 'drop', afterBytes: 2000 }, { times: 1 }), 0],
      ['503 once', mirror({ kind: 'status', status: 503 }, { times: 1 }), 0],
      ['redirected', mirror({ kind: 'redirect', location: `${location}/Packages.gz` }), 0],
      ['redirected to http', mirror({ kind: 'redirect', location: 'http://mirror.lab.test/x' }), 1],
      ['truncated', mirror({ kind: 'truncate', afterBytes: 2000 }), 1],
      ['a log-in page', mirror({ kind: 'replace', body: '<html>log in</html>' }), 1],
      ['keyring dropped once', mirror({ kind: 'drop', afterBytes: 500 }, { path: keyring, times: 1 }), 0],
      ['keyring 404', mirror({ kind: 'status', status: 404 }, { path: keyring }), 1],
      ['keyring a log-in page', mirror({ kind: 'replace', body: '<html>log in</html>' }, { path: keyring }), 1],
    ] as const) {
      seen[what] = await plan(download, fault, exitCode);
    }
    expect(seen).toEqual({
      'dropped once': 'planned',
      '503 once': 'planned',
      redirected: 'planned',
      'redirected to http': 'failed REPOSITORY_UNREACHABLE not encrypted',
      truncated: 'failed REPOSITORY_UNREACHABLE is not a gzip file',
      'a log-in page': 'failed REPOSITORY_UNREACHABLE is not a gzip file',
      'keyring dropped once': 'planned',
      'keyring 404': 'failed REPOSITORY_UNREACHABLE HTTP 404',
      'keyring a log-in page': 'failed REPOSITORY_UNREACHABLE is not a Debian package',
    });
  });

  downloadTest(
    'read by apt while the mirror is synchronised: it is asked again',
    ['nvidia', '580.142'],
    async (download, expect) => {
      const { scenario, container } = download;
      // Only for apt: before the plan is made, the action itself reads the index.
      let faults: Promise<void> | undefined;
      const { stdout } = await scenario.run(
        {
          containers: `${container.ctid}`,
          'cuda-version': 'none',
          'nvidia-container-repository': 'https://mirror.lab.test/libnvidia-container',
        },
        {
          exitCode: 0,
          onOutput: (text) => {
            if (!text.includes('Plan for container')) return;
            const path = '/libnvidia-container/stable/deb/amd64/Packages*';
            faults ??= scenario.upstream.setFaults([mirror({ kind: 'corrupt', offset: 40 }, { path, times: 1 })]);
          },
        },
      );
      await faults;
      expect(stdout).toContain('a mirror is being synchronised');
      expect(await container.execOk(['dpkg-query', '-W', '-f', '${db:Status-Status}', 'libnvidia-container1'])).toBe(
        'installed',
      );
      expect(await leftovers(container)).toBe('');
    },
  );
});
