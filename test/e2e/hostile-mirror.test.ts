import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { primaryKeys } from '../../src/repository/openpgp.ts';
import type { Container } from '../lab/container.ts';
import { mirrorWithIndexBomb } from '../lab/hostile/mirror-bomb.ts';
import { copyOfCudaRepository } from '../lab/hostile/mirror-copy.ts';
import { endless } from '../lab/hostile/mirror-endless.ts';
import { mirrorWithSmuggledKey } from '../lab/hostile/mirror-keyring.ts';
import { redirectInside } from '../lab/hostile/mirror-redirect.ts';
import type { ActionResult } from '../lab/runner.ts';
import { Scenario } from './scenario.ts';

/*
 * What a mirror may try. How a server's drip, silence and lying lengths end is shown in test/unit/system, with shorter times.
 */

const KEYRING = '/etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg';
/** Of a driver whose runfile no other file here faults. */
const RUNFILE = '/tesla/570.172.08/NVIDIA-Linux-x86_64-570.172.08.run';

let scenario: Scenario;
let temporary: string;
beforeAll(async () => {
  scenario = await Scenario.start({ driver: '580.159.04' });
  temporary = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-mirror-'));
  const measure = `process.on('exit', () =>
    require('node:fs').writeFileSync(process.env.MAX_RSS_FILE, String(process.resourceUsage().maxRSS)));`;
  await writeFile(join(temporary, 'measure.cjs'), measure);
});
afterAll(async () => {
  await scenario?.upstream.setFaults([]);
  await scenario?.end();
  await rm(temporary, { recursive: true, force: true });
});

/** Runs the action, which must fail with this code, in less than 250 MB. */
async function fails(inputs: Record<string, string>, code: string): Promise<ActionResult> {
  const file = join(temporary, 'max-rss');
  const result = await scenario.run(inputs, {
    exitCode: 1,
    env: { NODE_OPTIONS: `--require ${join(temporary, 'measure.cjs')}`, MAX_RSS_FILE: file },
  });
  expect(result.outputs['failure-reason'], result.stdout).toBe(code);
  expect(Number(await readFile(file, 'utf8')), 'KiB of memory').toBeLessThan(250_000);
  return result;
}

const toolkitOnly = { 'cuda-version': '13.0', 'nvidia-container': 'none' };

describe('a mirror that puts its own secret key behind the known key', () => {
  test.each([
    // gpgv doesn't read beyond a secret key, so it refuses everything, which is no way to go on either.
    { distribution: 'debian13', check: 'sqv --keyring "$1" --cleartext "$2" --output "$(mktemp -u)"', deceived: true },
    { distribution: 'debian12', check: 'gpgv --keyring "$1" "$2"', deceived: false },
  ] as const)('is not trusted by $distribution', async ({ distribution, check, deceived }) => {
    await using mirror = await mirrorWithSmuggledKey(scenario.upstream, distribution);
    const container = await scenario.container({ base: distribution });

    // What apt asks in there, with the mirror's keyring as it came and with what the action makes of it.
    const [made] = primaryKeys(mirror.smuggled);
    await container.writeFile('/root/smuggled.gpg', mirror.smuggled);
    await container.writeFile('/root/made.gpg', made?.packets ?? '');
    await container.writeFile('/root/hostile', mirror.release);
    await container.writeFile('/root/honest', mirror.honestRelease);
    const accepts = async (keyring: string, release: string) =>
      (await container.exec({ script: check, args: [`/root/${keyring}.gpg`, `/root/${release}`] })).exitCode === 0;
    expect(await accepts('smuggled', 'hostile'), 'the attack itself').toBe(deceived);
    expect(await accepts('made', 'hostile')).toBe(false);
    expect(await accepts('made', 'honest')).toBe(true);
    expect(made?.packets.equals(mirror.honest)).toBe(true);

    const { stdout } = await fails(
      {
        containers: `${container.ctid}`,
        ...toolkitOnly,
        ...scenario.keys(distribution),
        'cuda-repository': mirror.address,
      },
      'APT_SIGNATURE',
    );
    expect(stdout).toContain('the repository isn');
    const left =
      'dpkg-query -W -f "\\${Package}\\n" "cuda-*" 2>/dev/null; ls /etc/apt/keyrings /etc/apt/sources.list.d';
    expect(await container.execOk({ script: left })).not.toMatch(/cuda|nvidia/);
    await container.destroy();
  });

  test('does not leave a keyring that later counts as in place', async () => {
    await using mirror = await mirrorWithSmuggledKey(scenario.upstream, 'debian13');
    const container = await scenario.container({ base: 'debian13' });
    const reason = async (keyring: Buffer) => {
      await container.writeFile(KEYRING, keyring);
      const inputs = { mode: 'plan', containers: `${container.ctid}`, ...toolkitOnly, ...scenario.keys('debian13') };
      return (await scenario.run(inputs)).stdout;
    };
    expect(await reason(mirror.honest)).not.toContain("the cuda repository's key is not in place");
    expect(await reason(mirror.smuggled)).toContain("the cuda repository's key is not in place");
    await container.destroy();
  });
});

describe("without a mirror's own key", () => {
  test("no server is asked for NVIDIA's, and who isn't NVIDIA is not trusted", async () => {
    await using mirror = await copyOfCudaRepository(scenario.upstream, 'debian13');
    const container = await scenario.container({ base: 'debian13' });
    const inputs = {
      containers: `${container.ctid}`,
      ...toolkitOnly,
      'cuda-repository': mirror.address,
      'cuda-repository-key': '',
      'nvidia-container-repository-key': '',
    };
    const planned = await scenario.run({ ...inputs, mode: 'plan' });
    expect(await readFile(planned.outputs['plan'] ?? '', 'utf8')).toContain('02182E60104FCDC26EAE1B8597A5D4CB8793F200');
    await fails(inputs, 'APT_SIGNATURE');
    const asked = (await scenario.upstream.requests())
      .map(({ host, path }) => `https://${host}${path}`)
      .filter((url) => url.startsWith(mirror.address));
    expect(asked.filter((url) => url.endsWith('/InRelease'))).not.toEqual([]);
    expect(asked.filter((url) => /keyring|\.pub$/.test(url))).toEqual([]);
    await container.destroy();
  });
});

describe('what has no end', () => {
  let container: Container;
  beforeAll(async () => {
    container = await scenario.container();
  });

  test('an index of 300 KB that unpacks to 300 MiB', async () => {
    await using mirror = await mirrorWithIndexBomb(scenario.upstream, 'debian12');
    const inputs = { mode: 'plan', containers: `${container.ctid}`, ...toolkitOnly, 'cuda-repository': mirror.address };
    const { summary } = await fails(inputs, 'REPOSITORY_UNREACHABLE');
    expect(summary).toContain('unpacks to more than 67108864 bytes');
  });

  test('a runfile that goes on beyond its announced size', async () => {
    await scenario.host.setDriver('570.172.08', 'open');
    await scenario.upstream.setFaults([endless(RUNFILE)]);
    const inputs = {
      containers: `${container.ctid}`,
      'cuda-version': 'none',
      'nvidia-container': 'none',
      'runfile-url': `https://mirror.lab.test${RUNFILE}`,
    };
    const { summary } = await fails(inputs, 'DOWNLOAD_FAILED');
    expect(summary).toMatch(/is larger than \d{7} bytes/);
    await scenario.host.setDriver('580.159.04', 'open');
  });

  test.each(['gpgkey', 'stable/deb/amd64/Packages'])('a %s', async (file) => {
    await scenario.upstream.setFaults([endless(`/libnvidia-container/${file}`)]);
    const inputs = {
      mode: 'plan',
      containers: `${container.ctid}`,
      'cuda-version': 'none',
      'nvidia-container-repository': 'https://mirror.lab.test/libnvidia-container',
    };
    const { summary } = await fails(inputs, 'REPOSITORY_UNREACHABLE');
    expect(summary).toMatch(/is larger than \d+ bytes/);
  });
});

test.each(['127.0.0.1', '169.254.169.254', '[::1]'] as const)(
  'a mirror does not send the action to %s',
  async (host) => {
    const container = await scenario.container();
    await scenario.upstream.setFaults([redirectInside('/second/libnvidia-container/gpgkey', host)]);
    const inputs = {
      mode: 'plan',
      containers: `${container.ctid}`,
      'cuda-version': 'none',
      'nvidia-container-repository': 'https://mirror.lab.test/second/libnvidia-container',
    };
    const { summary } = await fails(inputs, 'REPOSITORY_UNREACHABLE');
    expect(summary).toContain('leads to this machine itself');
    await container.destroy();
  },
);
