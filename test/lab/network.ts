import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, runOk } from './command.ts';
import { BRIDGE, GATEWAY, STATE_DIR, SUBNET } from './paths.ts';

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';
const REMEMBERED = join(STATE_DIR, 'network.json');
const COMMENT = ['-m', 'comment', '--comment', 'proxmox-lxc-nvidia-lab'];

/** Rules the lab adds, as [table, chain, rule]; inserted first so that a firewall's own DROP doesn't come before them. */
const RULES: readonly (readonly [string, string, readonly string[]])[] = [
  ['nat', 'POSTROUTING', ['-s', SUBNET, '!', '-d', SUBNET, ...COMMENT, '-j', 'MASQUERADE']],
  ['filter', 'FORWARD', ['-i', BRIDGE, ...COMMENT, '-j', 'ACCEPT']],
  ['filter', 'FORWARD', ['-o', BRIDGE, ...COMMENT, '-j', 'ACCEPT']],
  ['filter', 'INPUT', ['-i', BRIDGE, ...COMMENT, '-j', 'ACCEPT']],
];

/** Makes the bridge, which containers and servers share. Can be repeated. */
export async function bridgeUp(mtu = '1500'): Promise<void> {
  if (!existsSync(`/sys/class/net/${BRIDGE}`)) {
    // A bridge without an address of its own takes one from its ports, another with each container that comes or goes:
    // every other container then talks to an address nobody has until its ARP entry is gone.
    await runOk(['ip', 'link', 'add', BRIDGE, 'address', '02:00:0a:57:5b:01', 'type', 'bridge']);
  }
  await runOk(['ip', 'address', 'replace', `${GATEWAY}/24`, 'dev', BRIDGE]);
  await runOk(['ip', 'link', 'set', BRIDGE, 'mtu', mtu, 'up']);
}

/** Makes the bridge with NAT to the machine's own network. Can be repeated. */
export async function networkUp(): Promise<void> {
  await bridgeUp(await uplinkMtu());
  const forwarding = (await readFile(FORWARDING, 'utf8')).trim();
  if (forwarding !== '1') {
    await mkdir(STATE_DIR, { recursive: true });
    await writeFile(REMEMBERED, JSON.stringify({ forwarding }));
    await writeFile(FORWARDING, '1');
  }
  for (const [table, chain, rule] of RULES) {
    const check = await run(['iptables', '-w', '-t', table, '-C', chain, ...rule]);
    if (check.exitCode !== 0) await runOk(['iptables', '-w', '-t', table, '-I', chain, ...rule]);
  }
}

/** Removes the bridge. Can be repeated. */
export async function bridgeDown(): Promise<void> {
  if (existsSync(`/sys/class/net/${BRIDGE}`)) await runOk(['ip', 'link', 'delete', BRIDGE]);
}

/** Removes exactly what `networkUp` added. Can be repeated. */
export async function networkDown(): Promise<void> {
  for (const [table, chain, rule] of RULES) {
    while ((await run(['iptables', '-w', '-t', table, '-C', chain, ...rule])).exitCode === 0) {
      await runOk(['iptables', '-w', '-t', table, '-D', chain, ...rule]);
    }
  }
  await bridgeDown();
  if (existsSync(REMEMBERED)) {
    const { forwarding } = JSON.parse(await readFile(REMEMBERED, 'utf8')) as { forwarding: string };
    await writeFile(FORWARDING, forwarding);
    await rm(REMEMBERED);
  }
}

/** The MTU towards the internet: a larger one on the bridge would lose big packets on machines behind a tunnel. */
async function uplinkMtu(): Promise<string> {
  const routes = await run(['ip', '-o', '-4', 'route', 'show', 'default']);
  const device = /\bdev (\S+)/.exec(routes.stdout)?.[1];
  if (!device) return '1500';
  return (await readFile(`/sys/class/net/${device}/mtu`, 'utf8')).trim();
}
