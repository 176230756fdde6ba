import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { APT_GET, aptFailure, installPackages, removePackages } from '../../../src/apply/apt.ts';
import { STATUS_OPTIONS } from '../../../src/apply/apt-progress.ts';
import { runCommand } from '../../../src/system/command.ts';
import { applyContext } from '../helpers/apply.ts';
import { type GuestCall, scriptOf } from '../helpers/commands.ts';
import { failureOf } from '../helpers/failure.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('no option of apt-get holds a blank or what a shell would read: scripts hold them as they are', () => {
  for (const word of APT_GET) expect(word).toMatch(/^[A-Za-z0-9_:=-]+$/);
});

it.each([
  '-y',
  'DPkg::Lock::Timeout=300',
  'APT::Update::Error-Mode=any',
  'Dpkg::Options::=--force-confdef',
  'Dpkg::Options::=--force-confold',
])('apt-get is asked for %s', (option) => {
  expect(APT_GET).toContain(option);
});

/** What a failed apt-get with this output means. */
const failed = (purpose: string, stderr: string) => aptFailure(901, purpose, { exitCode: 100, stdout: '', stderr });

describe('installPackages', () => {
  const packages = [
    { name: 'kmod', version: null },
    { name: 'cuda-toolkit-12-8', version: '12.8.1-1' },
  ];

  it.each([
    [true, 'yes'],
    [false, 'no'],
  ])('installs exactly the versions named in one call; package lists first: %s', async (update, argument) => {
    const { context, host } = applyContext(() => ({}));
    await installPackages(context, packages, update);
    const [call] = host.calls;
    if (call === undefined || host.calls.length !== 1) throw new Error('one call is expected');
    const [updates, , ...rest] = scriptOf(call).args;
    expect([updates, ...rest]).toEqual([argument, 'kmod', 'cuda-toolkit-12-8=12.8.1-1']);
    expect([call.ctid, call.seconds, call.stdinFile]).toEqual([901, 3600, undefined]);
  });

  it("shows apt's words as the container's", async () => {
    const { context, log } = applyContext(() => ({ stdout: 'Processing triggers\n', stderr: 'W: ::error::x' }));
    await installPackages(context, packages, false);
    expect(log.lines).toEqual(['foreign 901 Processing triggers', 'foreign 901 W: ::error::x']);
  });

  /** The word that a call's hook begins its lines with. */
  const wordOf = (call: GuestCall) => /echo "([0-9a-f-]{36}) /.exec(scriptOf(call).args[1] ?? '')?.[1] ?? 'none';

  it('names the driver packages that apt was kept from installing, and removes what was downloaded', async () => {
    const { context, host } = applyContext((call, index) => {
      if (index > 0) return {};
      const word = wordOf(call);
      return {
        exitCode: 100,
        stderr: `${word} libcuda1\n${word} nvidia-smi\nE: Sub-process sh returned an error code (1)\n`,
      };
    });
    const failure = await failureOf(() => installPackages(context, packages, false));
    expect(failure.code).toBe('APT_DRIVER_PULLED');
    expect(failure.message).toContain('driver packages: libcuda1, nvidia-smi.');
    expect(host.calls.map(({ argv }) => argv.at(-1))).toEqual(['cuda-toolkit-12-8=12.8.1-1', 'clean']);
  });

  it("names a few of many, and believes no line of a package's script", async () => {
    const answer = (text: (word: string) => string) =>
      applyContext((call) => ({ exitCode: 100, stderr: text(wordOf(call)) })).context;
    const many = answer((word) => Array.from({ length: 60_000 }, (_, index) => `${word} libcuda1-${index}\n`).join(''));
    expect((await failureOf(() => installPackages(many, packages, false))).message.length).toBeLessThan(600);
    const forged = answer(() => 'kept out: libcuda1\n00000000-0000-0000-0000-000000000000 libcuda1\n');
    expect((await failureOf(() => installPackages(forged, packages, false))).code).toBe('APT_FAILED');
  });

  it('fails when apt does', async () => {
    const stderr = 'E: Unable to locate package cuda-toolkit-12-8\n';
    const { context } = applyContext(() => ({ exitCode: 100, stderr }));
    const failure = await failureOf(() => installPackages(context, packages, false));
    expect(failure.code).toBe('PACKAGE_NOT_AVAILABLE');
    expect(failure.details).toBe('E: Unable to locate package cuda-toolkit-12-8');
  });
});

describe('its script in a real shell', () => {
  /** Runs it with an apt-get that prints its arguments, and tells the hook what it is about to do as the real one does. */
  async function run(update: 'yes' | 'no', steps: readonly string[], version = 'VERSION 2') {
    const { context, host } = applyContext(() => ({}));
    await installPackages(context, [], false);
    const { script, args } = scriptOf(host.calls[0] ?? { argv: [] });
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'steps'), [version, 'APT::Architecture=amd64', '', ...steps, ''].join('\n'));
    const apt = `#!/bin/sh
for word; do printf '<%s>' "$word"; case $word in DPkg::Pre-Install-Pkgs::=*) hook=\${word#*=} ;; esac; done
echo
if [ -n "\${hook-}" ]; then sh -c "$hook" < ${directory}/steps || exit 100; fi
`;
    writeFileSync(join(directory, 'apt-get'), apt, { mode: 0o755 });
    const path = `PATH=${directory}:/usr/bin:/bin`;
    const argv = ['/usr/bin/env', path, '/bin/sh', '-c', script, 'sh', update, args[1] ?? '', 'kmod', 'a=1'] as const;
    const { stdout, ...result } = await runCommand(argv, { timeoutSeconds: 20 });
    return { ...result, commands: stdout.split('\n').filter(Boolean) };
  }
  const installs = (...names: string[]) => names.map((name) => `${name} - < 1.0-1 /var/cache/apt/archives/${name}.deb`);
  const options = [...APT_GET.slice(3), ...STATUS_OPTIONS].map((word) => `<${word}>`).join('');

  it('fetches the lists where asked, then installs nothing recommended', async () => {
    const harmless = [
      ...installs('libnvidia-container1', 'nvidia-container-toolkit', 'cuda-nvcc-12-8', 'kmod'),
      'libcuda1 1.0-1 > - **REMOVE**',
      'nvidia-smi - < 1.0-1 **CONFIGURE**',
    ];
    const { exitCode, stderr, commands } = await run('yes', harmless);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(commands).toEqual([
      `${options}<update>`,
      expect.stringMatching(
        /<--no-install-recommends><-o><DPkg::Pre-Install-Pkgs::=.*><-o><DPkg::Tools::Options::sh::Version=2><install><kmod><a=1>$/,
      ),
    ]);
    expect((await run('no', harmless)).commands).toHaveLength(1);
  });

  it('lets apt install nothing when it is told something else than a plan', async () => {
    const { exitCode, stderr } = await run('no', [], '/var/cache/apt/archives/kmod.deb');
    expect([exitCode, stderr]).toEqual([100, 'apt told something else than its plan\n']);
  });

  it.each([['libcuda1'], ['nvidia-driver-580'], ['cuda-drivers'], ['libnvidia-compute-580'], ['cuda-drivers-580']])(
    'lets apt install nothing when %s would come with it, and names it',
    async (driver) => {
      const { exitCode, stderr } = await run('no', installs('kmod', driver, 'libnvidia-container1'));
      expect([exitCode, stderr.replace(/^[0-9a-f-]{36} /, '')]).toEqual([100, `${driver}\n`]);
    },
  );
});

describe('removePackages', () => {
  it('purges', async () => {
    const { context, host } = applyContext(() => ({}));
    await removePackages(context, ['libcuda1', 'nvidia-smi']);
    expect(host.calls.map(({ argv }) => argv)).toEqual([
      [...APT_GET, ...STATUS_OPTIONS, 'purge', 'libcuda1', 'nvidia-smi'],
    ]);
  });

  it('fails when apt does', async () => {
    const { context } = applyContext(() => ({ exitCode: 100 }));
    expect((await failureOf(() => removePackages(context, ['x']))).message).toContain('remove x');
  });
});

describe('what a failure of apt-get means', () => {
  it.each<[string, string, string]>([
    [
      'a full disk',
      'CONTAINER_SPACE',
      "dpkg: error processing archive /var/cache/apt/archives/cuda-nvcc-12-8_12.8.93-1_amd64.deb (--unpack):\n cannot copy extracted data for './usr/local/cuda-12.8/bin/cicc' to '/usr/local/cuda-12.8/bin/cicc.dpkg-new': failed to write (No space left on device)\nE: Sub-process /usr/bin/dpkg returned an error code (1)",
    ],
    ['no room to begin', 'CONTAINER_SPACE', "E: You don't have enough free space in /var/cache/apt/archives/."],
    [
      'a key that apt 3 no longer takes',
      'APT_SIGNATURE',
      "W: OpenPGP signature verification failed: https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64  InRelease: Sub-process /usr/bin/sqv returned an error code (1), error message is: Signing key on EB693B3035CD5710E231E123A4B469963BF863CC is not bound:            No binding signature at time 2026-03-01T12:00:00Z   because: Policy rejected non-revocation signature (PositiveCertification) requiring second pre-image resistance   because: SHA1 is not considered secure since 2026-02-01T00:00:00Z\nE: The repository 'https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64  InRelease' is not signed.",
    ],
    [
      'a missing key',
      'APT_SIGNATURE',
      "W: GPG error: https://nvidia.github.io/libnvidia-container/stable/deb/amd64  InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY DDCAE044F796ECB0\nE: The repository 'https://nvidia.github.io/libnvidia-container/stable/deb/amd64  InRelease' is not signed.",
    ],
    [
      'a wrong signature',
      'APT_SIGNATURE',
      'W: An error occurred during the signature verification. The repository is not updated and the previous index files will be used. GPG error: https://x.example  InRelease: The following signatures were invalid: BADSIG A4B469963BF863CC cudatools <cudatools@nvidia.com>',
    ],
    [
      'an expired key',
      'APT_SIGNATURE',
      'W: GPG error: https://x.example  InRelease: The following signatures were invalid: EXPKEYSIG F60F4B3D7FA2AF80 cudatools <cudatools@nvidia.com>',
    ],
    [
      'a lock',
      'APT_LOCKED',
      'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1423 (unattended-upgr)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?',
    ],
    [
      'a lock on the lists',
      'APT_LOCKED',
      'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)\nE: Unable to lock directory /var/lib/apt/lists/',
    ],
    [
      'an untrusted certificate',
      'APT_CERTIFICATE',
      'Err:1 https://mirror.example/cuda/debian12/x86_64  InRelease\n  Certificate verification failed: The certificate is NOT trusted. The certificate issuer is unknown.  Could not handshake: Error in the certificate verification. [IP: 10.0.0.2 443]\nE: Failed to fetch https://mirror.example/cuda/debian12/x86_64/InRelease  Certificate verification failed: The certificate is NOT trusted.',
    ],
    ['no such package', 'PACKAGE_NOT_AVAILABLE', 'E: Unable to locate package libnvidia-container1'],
    [
      'a name that is not resolved',
      'REPOSITORY_UNREACHABLE',
      "Err:1 https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64  InRelease\n  Temporary failure resolving 'developer.download.nvidia.com'\nE: Some index files failed to download. They have been ignored, or old ones used instead.",
    ],
    [
      'wrong bytes',
      'APT_OUT_OF_SYNC',
      'E: Failed to fetch https://x.example/Packages.gz  Hash Sum mismatch\nE: Some index files failed to download.',
    ],
    [
      'two entries of one repository',
      'CONTAINER_REPOSITORY_CONFLICT',
      'E: Conflicting values set for option Signed-By regarding source https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/ /: /usr/share/keyrings/cuda-archive-keyring.gpg != /etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg\nE: The list of sources could not be read.',
    ],
    ['silence', 'APT_FAILED', ''],
  ])('%s: %s', (_what, code, text) => {
    const failure = failed('install kmod', text);
    expect(failure.code).toBe(code);
    expect(failure.message).toContain('901');
    expect(failure.message).toContain('install kmod');
    expect(failure.message).toContain('exit code 100');
  });

  it('tells the reader of a certificate what to do about it', () => {
    const text = 'E: Failed to fetch https://x  Certificate verification failed: The certificate is NOT trusted.';
    expect(failed('x', text).remedy).toContain('certificate');
  });

  it("tells the reader of an old key to use the distribution's own repository", () => {
    expect(failed('x', 'SHA1 is not considered secure since 2026-02-01').remedy).toContain('own release');
  });

  it('keeps the lines that matter, at most 15', () => {
    const text = `Get:1 x\npmstatus:kmod:20.0:Unpacking kmod\n${Array.from({ length: 20 }, (_, index) => `E: error ${index}`).join('\n')}\nReading package lists...\n`;
    const lines = failed('x', text).details?.split('\n') ?? [];
    expect(lines).toHaveLength(15);
    expect(lines.at(-1)).toBe('E: error 19');
    expect(failed('x', 'one\ntwo\n').details).toBe('one\ntwo');
    expect(failed('x', 'dpkg: error processing package x\nfine\nW: watch out\n').details).toBe(
      'dpkg: error processing package x\nW: watch out',
    );
  });
});

describe('a mirror that is being synchronised', () => {
  const MISMATCH =
    'E: Failed to fetch https://x/Packages.gz  File has unexpected size (1 != 2). Mirror sync in progress?\n';
  const packages = [{ name: 'kmod', version: null }];
  const install = (failures: readonly string[]) =>
    applyContext((_call, index) => {
      const stderr = failures[index];
      return stderr === undefined ? {} : { exitCode: 100, stderr };
    });
  /** Whether each try fetched the lists. */
  const updates = ({ host }: ReturnType<typeof install>) => host.calls.map((call) => scriptOf(call).args[0]);

  it('is asked again, with new lists, after growing waits', async () => {
    const run = install([MISMATCH, 'E: Failed to fetch https://x/kmod.deb  Hash Sum mismatch\n']);
    await installPackages(run.context, packages, false);
    expect(updates(run)).toEqual(['no', 'yes', 'yes']);
    expect(run.waits).toEqual([5, 20]);
  });

  it('is given up in the end', async () => {
    const run = install(Array(9).fill(MISMATCH));
    const failure = await failureOf(() => installPackages(run.context, packages, false));
    expect(failure.code).toBe('APT_OUT_OF_SYNC');
    expect(failure.remedy).toContain('later');
    expect(failure.details).toContain('Mirror sync in progress');
    expect(run.waits).toEqual([5, 20, 60]);
  });

  it.each([
    ['a bad signature', `${MISMATCH}E: The repository 'https://x' is not signed.\n`],
    ['a file that is not there', `${MISMATCH}E: Failed to fetch https://x/y.deb  404  Not Found [IP: 10.0.0.1 443]\n`],
    ['another failure', 'E: Unable to locate package kmod\n'],
    [
      'words of a package',
      'Setting up kmod: Hash Sum mismatch\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n',
    ],
  ])('does not stand for %s', async (_what, stderr) => {
    const run = install([stderr]);
    await failureOf(() => installPackages(run.context, packages, false));
    expect(updates(run)).toEqual(['no']);
    expect(run.waits).toEqual([]);
  });
});

it('a failure with 16 MB of words made for the search is explained in no time', () => {
  const words = 'Sub-process '.repeat(700_000);
  const started = performance.now();
  expect(aptFailure(901, 'x', { exitCode: 100, stdout: words, stderr: words }).code).toBe('APT_FAILED');
  expect(performance.now() - started).toBeLessThan(2000);
});
