import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Container, ContainerOptions } from '../lab/container.ts';
import { RECORDED_GPUS } from '../lab/driver.ts';
import type { GpuCondition } from '../lab/gpu-condition.ts';
import type { ActionResult } from '../lab/runner.ts';
import type { Fault } from '../lab/upstream/upstream.ts';
import { Scenario } from './scenario.ts';

/*
 * The causes of docs/troubleshooting.md that no other file here shows, each by a state that leads to it. Containers have no
 * repositories of Debian's: whatever is missing there, a scenario wants to be missing, and apt has little to read.
 */

const DRIVER = '580.159.04';

let scenario: Scenario;
beforeAll(async () => {
  scenario = await Scenario.start({ driver: DRIVER });
});
afterAll(() => scenario?.end());

const driverOnly = { 'cuda-version': 'none', 'nvidia-container': 'none' };
const sh = (container: Container, script: string) => container.execOk({ script });

/** A container after a run with these inputs, stopped: a model for those that something happens to. */
async function model(inputs: Record<string, string>, options: ContainerOptions = {}): Promise<Container> {
  const container = await scenario.container(options);
  await sh(container, 'rm -f /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources');
  await scenario.run({ containers: `${container.ctid}`, ...inputs });
  await container.stop();
  return container;
}

/** Expects a run to fail by this cause and returns it. */
async function expectFailure(
  container: Container,
  inputs: Record<string, string>,
  code: string,
  words: RegExp,
): Promise<ActionResult> {
  const result = await scenario.run({ containers: `${container.ctid}`, ...inputs }, { exitCode: 1 });
  const errors = result.annotations.filter(({ name }) => name === 'error');
  expect(
    errors.map(({ properties }) => properties['title']),
    result.stdout,
  ).toEqual([code]);
  expect(result.outputs['failure-reason']).toBe(code);
  expect(errors[0]?.message).toMatch(words);
  return result;
}

const warnings = ({ annotations }: ActionResult) =>
  annotations.filter(({ name }) => name === 'warning').map(({ properties }) => properties['title']);

describe('what is wrong with a GPU', () => {
  let container: Container;
  const inputs = { 'cuda-version': '13.0', 'nvidia-container': 'none' };
  const [GPU] = RECORDED_GPUS;
  const xid = (code: number, words: string) => `NVRM: Xid (PCI:${GPU?.pci.replace(/\.0$/, '')}): ${code}, ${words}`;

  beforeAll(async () => {
    await scenario.host.installNvidiaSmi();
    await scenario.host.setKernelLog([]);
    container = await model(inputs);
    await container.start();
  });
  afterEach(async () => {
    await scenario.host.setGpuCondition(null);
    await scenario.host.setKernelLog([]);
  });

  test('nothing: converged, and the host has no warning', async () => {
    const result = await scenario.run({ containers: `${container.ctid}`, ...inputs });
    expect(result.outputs['result']).toBe('converged');
    expect(result.annotations).toEqual([]);
  });

  test.each<[string, GpuCondition, string[], string, RegExp, string[]]>([
    [
      'exclusive mode, and in use',
      { context: 46, computeMode: 'Exclusive_Process' },
      [],
      'GPU_BUSY',
      /cudaSetDevice answers 46 .*takes no further process.* nvidia-smi -i N -c DEFAULT/s,
      ['GPU_BUSY'],
    ],
    ['memory that others have', { context: 2 }, [], 'GPU_BUSY', /answers 2 .*memory is taken by other processes/s, []],
    [
      'an error of its memory',
      { kernel: 214, eccErrors: 3 },
      [xid(48, 'DBE')],
      'GPU_ECC_ERROR',
      /cudaDeviceSynchronize answers 214 .*can't be corrected/s,
      ['GPU_ECC_ERROR'],
    ],
    [
      'MIG without an instance',
      { cuInit: 100, mig: true },
      [],
      'GPU_MIG_UNCONFIGURED',
      /cuInit answers 100 .*MIG is enabled.*nvidia-smi mig -cgi/s,
      [],
    ],
    [
      'a fabric that is not set up',
      { cuInit: 802 },
      [],
      'GPU_FABRIC_NOT_READY',
      /cuInit answers 802 .*nvidia-fabricmanager/s,
      [],
    ],
    [
      'a compatibility library that it is too old for',
      { cuInit: 804 },
      [],
      'CUDA_NEEDS_NEWER_DRIVER',
      /cuInit answers 804 .*Update the driver on the host/s,
      [],
    ],
    [
      'lost, as nvidia-smi says',
      {
        nvidiaSmi: {
          exitCode: 15,
          words:
            'Unable to determine the device handle for GPU0000:00:06.0: GPU is lost.  Reboot the system to recover this GPU',
        },
      },
      [],
      'GPU_LOST',
      /exit code 15: a GPU fell off the bus/,
      [],
    ],
    [
      "lost, as only the kernel's log says",
      { cuInit: 999 },
      [xid(79, 'GPU has fallen off the bus.')],
      'GPU_LOST',
      /cuInit answers 999 .*GPU 0000:00:06 fell off the bus \(Xid 79\)/s,
      ['GPU_LOST'],
    ],
    [
      'a reset that is due',
      {
        nvidiaSmi: {
          exitCode: 16,
          words: 'Unable to determine the device handle for GPU0000:00:06.0: GPU requires reset',
        },
      },
      [],
      'GPU_RESET_REQUIRED',
      /exit code 16: a GPU must be reset/,
      [],
    ],
  ])('%s', async (_what, condition, kernelLog, code, words, findings) => {
    await scenario.host.setGpuCondition(condition);
    await scenario.host.setKernelLog(kernelLog);
    const result = await expectFailure(container, inputs, code, words);
    expect(warnings(result)).toEqual(findings);
  });

  test.each<[string, GpuCondition, string[], string]>([
    ['memory that had errors', { eccErrors: 2 }, [], 'GPU_ECC_ERROR'],
    ['an Xid of its memory', {}, [xid(94, 'Contained: SM'), xid(63, 'Row remapping')], 'GPU_ECC_ERROR'],
    ['an Xid of a program', {}, [xid(31, 'MMU Fault'), xid(13, 'Graphics Exception')], 'GPU_XID'],
    ['prohibited mode', { computeMode: 'Prohibited' }, [], 'GPU_BUSY'],
  ])('%s: a warning, and the run goes on', async (_what, condition, kernelLog, code) => {
    await scenario.host.setGpuCondition(condition);
    await scenario.host.setKernelLog(kernelLog);
    const result = await scenario.run({ containers: `${container.ctid}`, ...inputs });
    expect(result.outputs['result']).toBe('converged');
    expect(warnings(result)).toEqual([code]);
  });

  test("a toolkit's stub for linking in place of libcuda", async () => {
    const source = 'int cuInit(unsigned flags) { return 34; }';
    const others = [
      'DriverGetVersion',
      'DeviceGetCount',
      'DeviceGet',
      'DeviceGetName',
      'DeviceGetAttribute',
      'DeviceGetUuid',
    ];
    const functions = others.map((name) => `int cu${name}(void) { return 0; }`).join(' ');
    await container.writeFile('/opt/stubs/stub.c', `${source} ${functions}\n`);
    await sh(container, 'cd /opt/stubs && gcc -shared -fPIC -Wl,-soname,libcuda.so.1 -o libcuda.so stub.c');
    await sh(container, 'echo /opt/stubs/libcuda.so > /etc/ld.so.preload');
    try {
      await expectFailure(container, inputs, 'VERIFY_USER_SPACE', /cuInit answers 34 .*stub for linking/s);
    } finally {
      await sh(container, 'rm /etc/ld.so.preload');
    }
  });

  test('no nvidia-uvm on the host itself', async () => {
    const nodes = ['nvidia0', 'nvidiactl'].map(
      (name) => `lxc.mount.entry: /dev/${name} dev/${name} none bind,optional,create=file`,
    );
    const allow = ['195:0', '195:255'].map((device) => `lxc.cgroup2.devices.allow: c ${device} rw`);
    const without = await scenario.container({
      copyOf: await model(driverOnly),
      gpus: 'none',
      config: [...nodes, ...allow],
    });
    await scenario.host.exec(['rm', '/dev/nvidia-uvm', '/dev/nvidia-uvm-tools']);
    try {
      await expectFailure(
        without,
        driverOnly,
        'HOST_UVM_MISSING',
        /the host has no \/dev\/nvidia-uvm.*nvidia-modprobe/s,
      );
    } finally {
      await scenario.host.setDriver(DRIVER);
    }
  });
});

describe("why NVIDIA's installer fails", () => {
  let prepared: Container;
  beforeAll(async () => {
    prepared = await model(driverOnly);
    await prepared.start();
    await prepared.execOk(['nvidia-uninstall', '--silent']);
    await prepared.stop();
  });

  /** Runs a script in the container before the driver's files are unpacked there, in the directory that is their place. */
  const beforeUnpacking = (container: Container, script: string) =>
    container.writeFile('/usr/local/sbin/tar', `#!/bin/sh\n${script}\nexec /usr/bin/tar "$@"\n`, '0755');

  /** Lays another file system over the directory that the files are unpacked in, once that is made. */
  const mountOver = (container: Container, options: string) =>
    container.writeFile(
      '/usr/local/sbin/mkdir',
      `#!/bin/sh\n/usr/bin/mkdir "$@" || exit\ncase $* in *proxmox-lxc-nvidia) mount -t tmpfs -o ${options} none "$2" ;; esac\n`,
      '0755',
    );

  const KILL = `for process in /proc/[0-9]*; do
  if grep -aqzx ./nvidia-installer $process/cmdline 2> /dev/null; then kill -KILL "\${process#/proc/}"; fi
done`;

  test.each<[string, (container: Container) => Promise<unknown>, string, RegExp]>([
    [
      'the disk gets full while it copies',
      (container) =>
        sh(
          container,
          `mkdir -p /lib/firmware/nvidia/${DRIVER} && mount -t tmpfs -o size=3m none /lib/firmware/nvidia/${DRIVER}`,
        ),
      'INSTALLER_NO_SPACE',
      /exit code 135: the disk got full while files were copied/,
    ],
    [
      'the disk is full when its files are unpacked',
      (container) => mountOver(container, 'size=4m'),
      'CONTAINER_SPACE',
      /no room for the driver's files of 8\.\d MiB/,
    ],
    [
      'it may not run where it is unpacked',
      (container) => mountOver(container, 'noexec'),
      'INSTALLER_FAILED',
      /exit code 126: it may not run where it was unpacked/,
    ],
    [
      'where it keeps its state is read-only',
      (container) => sh(container, 'mount --bind /var/lib /var/lib && mount -o remount,ro,bind /var/lib'),
      'INSTALLER_FAILED',
      /could not write: the file system is read-only/,
    ],
    [
      'something kills it',
      async (container) => {
        await container.writeFile('/etc/proxmox-lxc-nvidia-lab/installer-delay', '30 before-removal');
        await container.writeFile('/root/kill', KILL);
        await beforeUnpacking(
          container,
          '(while sleep 0.2; do sh /root/kill; done) > /dev/null 2>&1 < /dev/null & echo $! > /root/killer',
        );
      },
      'INSTALLER_KILLED',
      /exit code 137: something killed it.*pct set \d+ -memory 2048/s,
    ],
  ])('%s', async (_what, state, code, words) => {
    const container = await scenario.container({ copyOf: prepared });
    await state(container);
    await expectFailure(container, driverOnly, code, words);
    await container.destroy();
  });
});

describe('why apt-get fails', () => {
  const MIRROR = 'https://mirror.lab.test';
  const INDEX = ['stable/deb/amd64/InRelease', 'stable/deb/amd64/Packages', 'gpgkey'];
  const CUDA = ['InRelease', 'Packages.gz', 'cuda-keyring_1.1-1_all.deb'];
  const library = { 'cuda-version': 'none' };
  const incomplete = { ...library, 'nvidia-container-repository': `${MIRROR}/causes/incomplete` };
  const unsettled = { ...library, 'nvidia-container-repository': `${MIRROR}/causes/unsettled` };

  const fault = (path: string, action: Fault['action']): Fault => ({ host: 'mirror.lab.test', path, action });
  /**
   * NVIDIA's files at an address of the mirror's that is this file's own. They come from NVIDIA's names, not from the mirror's
   * own repositories: files that run at the same time fault those.
   */
  const files = (from: string, to: string, names: readonly string[]): Fault[] =>
    names.map((name) => fault(`/causes/${to}/${name}`, { kind: 'redirect', location: `https://${from}/${name}` }));

  let prepared: Container;
  /** Waits most of its time, beside the others. */
  let outOfSync: Promise<ActionResult>;
  beforeAll(async () => {
    await scenario.upstream.setFaults([
      ...files('nvidia.github.io/libnvidia-container', 'incomplete', INDEX),
      fault('/causes/incomplete/**/*.deb', { kind: 'status', status: 404 }),
      ...files('nvidia.github.io/libnvidia-container', 'unsettled', INDEX),
      fault('/causes/unsettled/**/*.deb', { kind: 'replace', body: 'another file' }),
      ...files('developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64', 'cuda/debian13/x86_64', CUDA),
    ]);
    prepared = await model(driverOnly);
    outOfSync = expectFailure(
      await scenario.container({ copyOf: prepared }),
      unsettled,
      'APT_OUT_OF_SYNC',
      /it is being synchronised/,
    );
    outOfSync.catch(() => {}); // told by the test that waits for it
  });
  afterAll(() => scenario?.upstream.setFaults([]));

  /** A kmod that needs libcuda1, and preferences that come before this action's. */
  const OWN_REPOSITORY = `
mkdir /root/own && cd /root/own
for name in kmod libcuda1; do
  mkdir -p $name/DEBIAN
  printf 'Package: %s\\nVersion: 99\\nArchitecture: all\\nMaintainer: x <x@lab.test>\\nDescription: x\\n' $name > $name/DEBIAN/control
  if [ $name = kmod ]; then echo 'Depends: libcuda1' >> $name/DEBIAN/control; fi
  dpkg-deb --build $name $name.deb
  { cat $name/DEBIAN/control; printf 'Filename: ./%s.deb\\nSize: %s\\nSHA256: %s\\n\\n' $name $(stat -c %s $name.deb) $(sha256sum $name.deb | cut -d ' ' -f 1); } >> Packages
done
echo 'deb [trusted=yes] file:/root/own ./' > /etc/apt/sources.list.d/own.list
printf 'Package: libcuda1\\nPin: release *\\nPin-Priority: 1001\\n' > /etc/apt/preferences.d/00own
dpkg --purge --force-depends kmod`;

  const source = (line: string) => (container: Container) =>
    container.writeFile('/etc/apt/sources.list.d/own.list', `${line}\n`);
  /** Holds dpkg's lock, as unattended-upgrades does; apt waits for it a second only. */
  const lock = async (container: Container) => {
    await container.writeFile(
      '/usr/local/sbin/apt-get',
      '#!/bin/sh\nexec /usr/bin/apt-get "$@" -o DPkg::Lock::Timeout=1\n',
      '0755',
    );
    const perl =
      'use Fcntl; open(my $file, ">", "/var/lib/dpkg/lock-frontend"); my $lock = pack("s s x4 l! l! i x4", F_WRLCK, 0, 0, 0, 0); fcntl($file, F_SETLK, $lock) or die; sleep 300';
    await container.execOk({
      script: 'perl -e "$1" > /dev/null 2>&1 < /dev/null & sleep 0.3; kill -0 $!',
      args: [perl],
    });
  };

  test.each<[string, (container: Container) => Promise<unknown>, Record<string, string>, string, RegExp]>([
    [
      'the disk is full',
      (container) =>
        sh(
          container,
          'mount -t tmpfs -o size=4k none /var/cache/apt/archives && mkdir /var/cache/apt/archives/partial && head -c 4096 /dev/zero > /var/cache/apt/archives/filler',
        ),
      library,
      'CONTAINER_SPACE',
      /the container's disk is full/,
    ],
    [
      "the server's certificate is not trusted",
      (container) => sh(container, 'rm /usr/local/share/ca-certificates/* && update-ca-certificates --fresh'),
      library,
      'APT_CERTIFICATE',
      /doesn't trust the server's certificate/,
    ],
    ['dpkg is busy', lock, library, 'APT_LOCKED', /another apt or dpkg runs in the container/],
    [
      'dpkg was interrupted',
      (container) => sh(container, ': > /var/lib/dpkg/updates/0001'),
      library,
      'CONTAINER_DPKG_BROKEN',
      /dpkg was interrupted before/,
    ],
    [
      'one repository with two keys',
      (container) =>
        sh(
          container,
          `for key in one two; do echo "deb [signed-by=/etc/apt/$key.gpg] https://mirror.lab.test/own ./"; done > /etc/apt/sources.list.d/own.list`,
        ),
      library,
      'CONTAINER_REPOSITORY_CONFLICT',
      /two entries of one repository name different keys/,
    ],
    [
      'a repository that is gone',
      source('deb https://mirror.lab.test/gone ./'),
      library,
      'REPOSITORY_UNREACHABLE',
      /no repository at an address that the container asks/,
    ],
    [
      'a server that does not answer',
      source('deb https://mirror.lab.test:9/own ./'),
      library,
      'REPOSITORY_UNREACHABLE',
      /reaches a server not at all/,
    ],
    [
      'a file that the mirror lacks',
      async () => {},
      incomplete,
      'APT_FILE_NOT_FOUND',
      /lacks a file that its own index names/,
    ],
    [
      "a package of the distribution's, without its repositories",
      (container) => container.execOk(['dpkg', '--purge', '--force-depends', 'kmod']),
      library,
      'PACKAGE_NOT_AVAILABLE',
      /no repository of the container has a package/,
    ],
    [
      'a dependency that is forbidden',
      (container) =>
        container.writeFile(
          '/etc/apt/preferences.d/own',
          'Package: libnvidia-container-tools\nPin: release *\nPin-Priority: -1\n',
        ),
      { ...library, 'nvidia-container': 'toolkit' },
      'APT_DEPENDENCIES',
      /packages don't fit together/,
    ],
    [
      'a package of another repository that would bring a driver, against the pin',
      (container) => sh(container, OWN_REPOSITORY),
      library,
      'APT_DRIVER_PULLED',
      /Installing kmod, libnvidia-container1=\S+ in container \d+ would bring driver packages: libcuda1\./,
    ],
  ])('%s', async (_what, state, inputs, code, words) => {
    const container = await scenario.container({ copyOf: prepared });
    await state(container);
    await expectFailure(container, inputs, code, words);
    await container.destroy();
  });

  test("another release's repository, whose key Debian 13 does not accept", async () => {
    const container = await scenario.container({ base: 'debian13' });
    await sh(container, 'rm -f /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources');
    const inputs = {
      'cuda-version': '12.8',
      'nvidia-container': 'none',
      'cuda-repository': `${MIRROR}/causes/cuda`,
      'cuda-repository-key': scenario.upstream.fingerprints.debian12,
    };
    await expectFailure(container, inputs, 'APT_SIGNATURE', /certified by SHA-1/);
  });

  test('a mirror that stays out of sync is given up after a minute and a half', async () => {
    const { stdout } = await outOfSync;
    expect(stdout.match(/next try in \d+ s/g)).toEqual(['next try in 5 s', 'next try in 20 s', 'next try in 60 s']);
  });
});
