/**
 * `npm run demo`: a container whose host got another driver, brought up to date by the bundled action.
 * With `-- --keep`, or on a terminal, the lab stays up at the end until Enter or Ctrl-C. With `-- --connect` it takes place
 * in the lab that is up already.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Lab } from './lab.ts';
import { summaryPage } from './page.ts';
import { REPOSITORY_DIR } from './paths.ts';
import { runAction } from './runner.ts';
import { RunnerView } from './runner-view.ts';

const OLD = '550.163.01';
const NEW = '580.159.04';
const RESULTS = join(REPOSITORY_DIR, 'demo-results');
const say = (text: string) => console.log(text);
const heading = (text: string) => say(`\n── ${text} ${'─'.repeat(Math.max(0, 90 - text.length))}`);

heading('The lab comes up (the first time it makes base systems, which takes some minutes)');
const lab = process.argv.includes('--connect')
  ? await Lab.connect()
  : await Lab.up({ log: (line) => say(`  ${line}`), bases: [['debian12', 'minimal']] });
try {
  process.exitCode = await demo();
} finally {
  heading('The lab goes down');
  await lab.down();
}

async function demo(): Promise<number> {
  if (lab.upstream === null) throw new Error('the demo needs the upstream servers');
  const host = await lab.host({ driver: OLD, kernelModule: 'proprietary' });
  const container = await host.createContainer({ base: 'debian12', variant: 'minimal', gpus: [0], hostname: 'cuda' });
  const keys = {
    'cuda-repository-key': lab.upstream.fingerprints.debian12,
    'nvidia-container-repository-key': lab.upstream.fingerprints.container,
  };
  const wishes = { containers: String(container.ctid), ...keys };

  heading(`Container ${container.ctid} gets the user space of the host's driver ${OLD} (half a minute, unseen)`);
  const first = await runAction(host, { inputs: { ...wishes, 'cuda-version': 'none' } });
  say(`  ${first.outputs['result']} in ${(first.durationMs / 1000).toFixed(1)} s`);
  if (first.exitCode !== 0) {
    say(first.stdout);
    return 1;
  }

  heading(`The host gets driver ${NEW}; the step asks for CUDA 13.0`);
  await host.setDriver(NEW, 'open');
  const view = new RunnerView(say);
  const result = await runAction(host, {
    inputs: { ...wishes, 'cuda-version': '13.0' },
    onOutput: (text) => view.add(text),
  });

  await mkdir(RESULTS, { recursive: true });
  await writeFile(join(RESULTS, 'summary.md'), result.summary);
  await writeFile(join(RESULTS, 'summary.html'), summaryPage(result.summary));
  await writeFile(join(RESULTS, 'log.txt'), result.stdout);
  heading('Outputs');
  for (const name of ['result', 'changed', 'driver-version', 'cuda-version', 'gpus', 'containers']) {
    say(`  ${name}: ${result.outputs[name]}`);
  }
  heading('The job summary');
  for (const name of ['summary.md', 'summary.html', 'log.txt'])
    say(`  ${relative(process.cwd(), join(RESULTS, name))}`);

  if (process.stdin.isTTY || process.argv.includes('--keep')) {
    heading('Look round: the lab stays up until you press Enter');
    say(`  in the container:  ${host.enter(['pct', 'enter', String(container.ctid)]).join(' ')}`);
    say(`  on the host:       ${host.enter(['bash']).join(' ')}`);
    say('  take it down:      Enter or Ctrl-C here; after a crash: node_modules/.bin/node test/lab/down.ts');
    await createInterface({ input: process.stdin }).question('');
  } else {
    say('\n  To look round in the lab afterwards: npm run demo -- --keep');
  }
  return result.exitCode ?? 1;
}
