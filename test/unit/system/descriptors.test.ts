import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const MODULE = join(import.meta.dirname, '..', '..', '..', 'src', 'system', 'descriptors.ts');

/** What a program has open that is started by a process which was given a file beyond the usual three. */
function openInChild(beginning: string): string[] {
  const program = `
    import { execFileSync } from 'node:child_process';
    ${beginning}
    process.stdout.write(execFileSync('/bin/ls', ['-l', '/proc/self/fd'], { stdio: ['ignore', 'pipe', 'ignore'] }));
    (await import('node:fs')).readFileSync('/etc/hostname');`;
  // Node itself hands the lowest ones on no more.
  const shell = ['-c', 'exec 200< /etc/passwd; exec "$@"', 'bash', process.execPath];
  const { stdout, stderr, status } = spawnSync('/bin/bash', [...shell, '--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return [...stdout.matchAll(/ (\d+) -> (.*)$/gm)].map(([, , target = '']) => target);
}

it('is needed: a program inherits what this process was given', () => {
  expect(openInChild('')).toContain('/etc/passwd');
});

it('closes what was inherited, and nothing that Node itself works with', () => {
  const targets = openInChild(`(await import(${JSON.stringify(MODULE)})).closeInheritedDescriptors();`);
  // Standard input, output and errors, and the directory that ls reads.
  expect(targets.filter((target) => !/^(?:\/dev\/null|pipe:.*|socket:.*|\/proc\/\d+\/fd)$/.test(target))).toEqual([]);
  expect(targets).toHaveLength(4);
});
