import { describe, expect, it } from 'vitest';
import { installerFlags } from '../../../src/plan/installer-flags.ts';
import { REAL_DRIVER_VERSIONS } from '../helpers/driver-versions.ts';

/** The first version whose option_table.h knows an option (docs/facts.md, A2); the others are known since 390.12. */
const SINCE: Record<string, string> = {
  '--skip-depmod': '418.30',
  '--no-systemd': '465.19.01',
  '--no-wine-files': '470.42.01',
};
const ALWAYS = [
  '--silent',
  '--no-kernel-module',
  '--no-x-check',
  '--no-nouveau-check',
  '--no-nvidia-modprobe',
  '--no-drm',
  '--no-backup',
  '--no-rpms',
  '--no-distro-scripts',
  '--no-check-for-alternate-installs',
  '--no-install-compat32-libs',
  '--no-install-libglvnd',
  '--no-libglx-indirect',
];

describe('installerFlags', () => {
  it.each([
    ['390.157', []],
    ['410.104', []],
    ['418.30', ['--skip-depmod']],
    ['460.39', ['--skip-depmod']],
    ['465.19.01', ['--skip-depmod', '--no-systemd']],
    ['470.42.01', ['--skip-depmod', '--no-systemd', '--no-wine-files']],
    ['580.142', ['--skip-depmod', '--no-systemd', '--no-wine-files']],
    ['610.43.02', ['--skip-depmod', '--no-systemd', '--no-wine-files']],
  ])('%s gets %j beside those that every version knows', (version, more) => {
    expect(installerFlags(version)).toEqual([...ALWAYS, ...more]);
  });

  it('never holds one that the version does not know', () => {
    for (const version of REAL_DRIVER_VERSIONS) {
      const index = REAL_DRIVER_VERSIONS.indexOf(version);
      for (const flag of installerFlags(version)) {
        const since = SINCE[flag];
        if (since === undefined) expect(ALWAYS).toContain(flag);
        else expect(REAL_DRIVER_VERSIONS.indexOf(since)).toBeLessThanOrEqual(index);
      }
    }
  });
});
