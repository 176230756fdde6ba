import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';

// The lab's hosts and containers: that they look as a Proxmox host's do, and that nothing of it reaches the machine.

let lab: Lab;
let host: Host;

beforeAll(async () => {
  lab = await Lab.connect();
  host = await lab.host({ driver: '550.163.01', kernelModule: 'proprietary', pve: 8 });
});

afterAll(() => lab?.down());

describe('a host', () => {
  test('has the versions of its Proxmox release', async () => {
    expect((await host.exec(['pveversion'])).stdout).toMatch(
      /^pve-manager\/8\.4\.\d+\/[0-9a-f]+ \(running kernel: .*-pve\)\n$/,
    );
    expect((await host.exec(['pveversion', '-v'])).stdout).toMatch(/^pve-container: 5\.3\.5$/m);
    expect(await host.exec(['dpkg-query', '-W', '-f', '${Version}', 'pve-container'])).toMatchObject({
      stdout: '5.3.5',
    });
    expect((await host.exec(['dpkg-query', '-W', '-f', '${Package}', 'perl'])).stdout).toBe('perl');
    expect((await host.exec(['sh', '-c', 'command -v pvesh'])).exitCode).toBe(127);
  });

  test('knows its cluster', async () => {
    const other = await lab.host({ node: 'alpha' });
    await other.addVm(9101);
    await other.addForeignContainer(9100, 'beta');
    expect((await other.exec(['readlink', '/etc/pve/local'])).stdout).toBe('nodes/alpha\n');
    const { ids } = JSON.parse((await other.exec(['cat', '/etc/pve/.vmlist'])).stdout);
    expect(ids).toMatchObject({ 9101: { node: 'alpha', type: 'qemu' }, 9100: { node: 'beta', type: 'lxc' } });
    expect(await other.pct('status', '9100')).toMatchObject({
      exitCode: 2,
      stderr: "Configuration file 'nodes/alpha/lxc/9100.conf' does not exist\n",
    });
    await other.destroy();
  });

  test('keeps to itself what is written there', async () => {
    await host.exec(['sh', '-c', 'echo x >/etc/lab-was-here; echo x >/usr/bin/lab-was-here; rm /etc/hostname']);
    expect((await host.exec(['cat', '/etc/lab-was-here'])).stdout).toBe('x\n');
    for (const path of ['/etc/lab-was-here', '/usr/bin/lab-was-here', '/etc/pve', '/usr/sbin/pct', '/dev/nvidiactl']) {
      expect(existsSync(path), path).toBe(false);
    }
  });

  test('a change of its driver shows in a running container', async () => {
    const container = await host.createContainer({ variant: 'minimal' });
    expect(await container.readFile('/proc/driver/nvidia/version')).toMatch(
      /^NVRM version: NVIDIA UNIX x86_64 Kernel Module {2}550\.163\.01 {2}/,
    );
    await host.setDriver('580.159.04', 'open');
    expect(await container.readFile('/proc/driver/nvidia/version')).toMatch(
      /^NVRM version: NVIDIA UNIX Open Kernel Module for x86_64 {2}580\.159\.04 {2}Release Build/,
    );
    expect((await host.exec(['cat', '/proc/devices'])).stdout).toMatch(/^195 nvidia\n195 nvidiactl\n510 nvidia-uvm$/m);
    await host.setDriver(null);
    expect((await container.exec(['ls', '/proc/driver'])).stdout).toBe('');
    expect((await host.exec(['sh', '-c', 'ls /dev/nvidia*'])).exitCode).not.toBe(0);
    await host.setDriver('580.159.04');
    await container.destroy();
  });
});

describe('a container', () => {
  test.each([
    ['debian12', true],
    ['debian12', false],
    ['debian13', true],
    ['debian13', false],
  ] as const)('%s, unprivileged: %s', async (base, unprivileged) => {
    const container = await host.createContainer({ base, unprivileged, gpus: [1] });
    const script =
      '. /etc/os-release; echo $ID$VERSION_ID; awk "{print \\$2}" /proc/self/uid_map; cd /dev; echo nvidia*; stat -c "%a %u %g" nvidia1';
    expect(await container.execOk({ script })).toBe(
      `${base}\n${unprivileged ? '100000' : '0'}\nnvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl\n660 0 0\n`,
    );
    // Nothing is behind the node: ENXIO where the cgroup lets it be opened, EPERM where it doesn't.
    expect((await container.exec({ script: ': </dev/nvidia1' })).stderr).toContain('No such device or address');
    if (!unprivileged) {
      const denied = await container.exec({ script: 'mknod /dev/nvidia0 c 195 0 && : </dev/nvidia0' });
      expect(denied.stderr).toContain('Operation not permitted');
    }
    const url = 'https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/InRelease';
    expect(await container.execOk(['curl', '-fsS', '-o', '/dev/null', '-w', '%{http_code}', url])).toBe('200');
    await container.destroy();
  });

  test('minimal lacks what has to be installed first', async () => {
    const container = await host.createContainer({ variant: 'minimal' });
    const script =
      'for name in curl wget gpg modprobe gcc; do command -v $name; done; ls /etc/ssl/certs/ca-certificates.crt';
    expect((await container.exec({ script })).stdout).toBe('');
    await container.destroy();
  });

  test('alpine has busybox and its own os-release', async () => {
    const container = await host.createContainer({ base: 'alpine' });
    const result = await host.pct('exec', String(container.ctid), '--', '/bin/sh', '-c', '. /etc/os-release; echo $ID');
    expect(result).toEqual({ exitCode: 0, stdout: 'alpine\n', stderr: '' });
    await container.destroy();
  });

  test('its file tree tells whether something was written', async () => {
    const container = await host.createContainer({ variant: 'minimal' });
    const before = await container.fileTree();
    await container.exec(['cat', '/etc/os-release']);
    await host.pct('exec', String(container.ctid), '--', 'true');
    expect((await container.fileTree()).hash).toBe(before.hash);
    await container.writeFile('/root/x', 'x');
    expect((await container.fileTree()).hash).not.toBe(before.hash);
    await container.destroy();
  });

  test('a disk of its own can be full', async () => {
    const container = await host.createContainer({ variant: 'minimal', disk: '600M' });
    const result = await container.exec(['dd', 'if=/dev/zero', 'of=/root/fill', 'bs=1M']);
    expect(result.stderr).toContain('No space left on device');
    await container.destroy();
  });

  test('is gone after destroy, cgroup, veth and all', async () => {
    const container = await host.createContainer({ variant: 'minimal' });
    const { ctid } = container;
    await container.destroy();
    expect(existsSync(`/sys/class/net/veth${ctid}i0`)).toBe(false);
    expect(await readFile('/proc/net/unix', 'utf8')).not.toContain(`@/var/lib/lxc/${ctid}/command`);
    expect(await host.pct('status', String(ctid))).toMatchObject({ exitCode: 2 });
  });
});
