import { describe, expect, it } from 'vitest';
import { diagnose } from '../../../src/diagnosis/cause.ts';
import { INSTALLER_CAUSES } from '../../../src/diagnosis/installer.ts';

/** How installers ended, in the table's order (docs/facts.md, A10). */
const ENDS: [number, string, string, RegExp][] = [
  [135, 'Received signal SIGBUS; aborting.', 'INSTALLER_NO_SPACE', /already removed/],
  [1, 'tar: x: No space left on device', 'INSTALLER_NO_SPACE', /full/],
  [
    1,
    "ERROR: Unable to find the module utility `modprobe`; please make sure you have the package 'module-init-tools' or 'kmod' installed.",
    'INSTALLER_FAILED',
    /program .*needs/,
  ],
  [
    1,
    'ERROR: The installation was canceled due to the availability or presence of an alternate driver installation.',
    'INSTALLER_FAILED',
    /other means/,
  ],
  [1, 'nvidia-installer: unrecognized option: "--no-systemd"', 'INSTALLER_FAILED', /doesn't know one/],
  [1, "ERROR: Unable to create '/usr/lib/x' (Read-only file system)", 'INSTALLER_FAILED', /read-only/],
  [126, 'sh: 1: ./nvidia-installer: Permission denied', 'INSTALLER_FAILED', /noexec/],
  [137, '', 'INSTALLER_KILLED', /memory/],
];

describe('why an installer failed', () => {
  it.each(ENDS)('%d %s: %s', (exitCode, output, code, words) => {
    const found = diagnose(INSTALLER_CAUSES, { exitCode, output }, 901);
    expect(found?.code).toBe(code);
    expect(found?.cause).toMatch(words);
    expect(found?.remedy).not.toContain('CTID');
  });

  it('has an end for every cause', () => {
    const found = ENDS.map(([exitCode, output]) =>
      INSTALLER_CAUSES.find(({ shows }) => shows({ exitCode, output }) !== false),
    );
    expect(found).toEqual(INSTALLER_CAUSES);
  });

  it.each([
    [1, ''],
    [2, 'something else'],
    [255, 'ERROR: It failed.'],
  ])('%d %s is unknown', (exitCode, output) => {
    expect(diagnose(INSTALLER_CAUSES, { exitCode, output }, 901)).toBeNull();
  });
});
