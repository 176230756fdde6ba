// A root shell on a lab host, or in one of its containers (as root):
//   node test/lab/shell.ts                 brings a lab up with one host and one container, shell on the host
//   node test/lab/shell.ts HOST [CTID]     enters what a running lab has; without such a host it lists them
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openHost } from './host.ts';
import { Lab } from './lab.ts';

const [name, ctid] = process.argv.slice(2);
if (name === undefined) {
  const lab = await Lab.up({ log: console.log, bases: [['debian12', 'prepared']] });
  try {
    const host = await lab.host();
    const container = await host.createContainer();
    console.log(`\nHost ${host.name}, container ${container.ctid}. Try: pct list; pct exec ${container.ctid} -- bash`);
    console.log(`From another terminal: node test/lab/shell.ts ${host.name} ${container.ctid}`);
    console.log('The lab goes down when this shell ends.\n');
    await shell(host.enter(['bash']));
  } finally {
    await lab.down();
  }
} else {
  const host = await openHost(name);
  await shell(host.enter(ctid === undefined ? ['bash'] : ['lxc-attach', '-n', ctid, '--clear-env', '--', 'bash']));
}

async function shell([program = '', ...args]: readonly string[]): Promise<void> {
  await once(spawn(program, args, { stdio: 'inherit' }), 'exit');
}
