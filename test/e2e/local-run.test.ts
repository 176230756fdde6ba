import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { libraryVersions, Scenario } from './scenario.ts';

const DRIVER = '580.159.04';

let scenario: Scenario;
let home: string;
beforeAll(async () => {
  scenario = await Scenario.start({ driver: DRIVER });
  home = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-home-'));
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
  await scenario.end();
});

test('a step by hand on a host, as docs/local-run.md says: a plan, then the same for real', async () => {
  const container = await scenario.container();
  const run = (...inputs: string[]) =>
    scenario.host.exec(
      [
        ...[process.execPath, join(REPOSITORY_DIR, 'scripts', 'run-local.ts'), `containers=${container.ctid}`],
        ...['cuda-version=none', 'nvidia-container=none', ...inputs],
      ],
      { env: { HOME: home, TMPDIR: home, NODE_EXTRA_CA_CERTS: scenario.upstream.caCertificate }, timeout: 120_000 },
    );

  const planned = await run('mode=plan');
  expect(planned.exitCode, planned.stdout + planned.stderr).toBe(0);
  expect(planned.stdout).toContain('  result: planned\n');
  expect(await libraryVersions(container)).toEqual([]);

  const changed = await run();
  expect(changed.exitCode, changed.stdout + changed.stderr).toBe(0);
  expect(changed.stdout).toContain('  result: changed\n');
  expect(await libraryVersions(container)).toEqual([DRIVER]);
  const [, summary = ''] = /^Summary: (.*)$/m.exec(changed.stdout) ?? [];
  expect(await readFile(summary, 'utf8')).toContain(`## ✅ container ${container.ctid} changed`);
});
