import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atLeast, compareDriverVersions, isDriverVersion, versionInFileName } from '../../../src/version/driver.ts';
import { anyDriverVersion, REAL_DRIVER_VERSIONS } from '../helpers/driver-versions.ts';

describe('isDriverVersion', () => {
  it.each(REAL_DRIVER_VERSIONS)('knows %s', (version) => {
    expect(isDriverVersion(version)).toBe(true);
  });

  it.each([
    '',
    'host',
    'null',
    '580',
    '580.',
    '.580.142',
    '580.142.',
    '580.159.04.1',
    '58.142',
    '12.8',
    'v580.142',
    ' 580.142',
    '580.142\n',
    '580.159.04-1',
    '580,142',
    '58O.142',
    '580.159.04; id',
  ])('refuses %j', (text) => {
    expect(isDriverVersion(text)).toBe(false);
  });

  it('knows every version of two or three parts', () => {
    fc.assert(fc.property(anyDriverVersion, isDriverVersion));
  });
});

describe('compareDriverVersions', () => {
  it.each([
    ['580.142', '580.159.04'],
    ['550.78', '550.163.01'],
    ['550.163.01', '580.65.06'],
    ['430.09', '430.14'],
    ['440.33', '440.33.01'],
    ['440.33.01', '440.100'],
    ['570.26', '570.124.04'],
    ['570.124.04', '570.124.06'],
    ['390.157', '1000.1'],
  ])('puts %s before %s', (older, newer) => {
    expect(compareDriverVersions(older, newer)).toBeLessThan(0);
    expect(compareDriverVersions(newer, older)).toBeGreaterThan(0);
    expect(atLeast(newer, older)).toBe(true);
    expect(atLeast(older, newer)).toBe(false);
  });

  it('keeps the list of real versions in its order', () => {
    expect([...REAL_DRIVER_VERSIONS].reverse().sort(compareDriverVersions)).toEqual(REAL_DRIVER_VERSIONS);
  });

  it('takes a version for at least itself', () => {
    fc.assert(fc.property(anyDriverVersion, (version) => atLeast(version, version)));
  });

  it('is total, antisymmetric and transitive', () => {
    fc.assert(
      fc.property(anyDriverVersion, anyDriverVersion, anyDriverVersion, (a, b, c) => {
        const [ab, ba] = [compareDriverVersions(a, b), compareDriverVersions(b, a)];
        expect(Number.isFinite(ab)).toBe(true);
        expect(Math.sign(ab)).toBe(-Math.sign(ba) + 0);
        if (ab <= 0 && compareDriverVersions(b, c) <= 0) expect(compareDriverVersions(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('finds versions equal only when their numbers are', () => {
    const numbers = (version: string) => {
      const [a, b, c = 0] = version.split('.').map(Number);
      return [a, b, c].join('.');
    };
    fc.assert(
      fc.property(
        anyDriverVersion,
        anyDriverVersion,
        (a, b) => (compareDriverVersions(a, b) === 0) === (numbers(a) === numbers(b)),
      ),
    );
  });
});

describe('versionInFileName', () => {
  it.each([
    ['libcuda.so.550.78', '550.78'],
    ['libcuda.so.580.159.04', '580.159.04'],
    ['libnvidia-ml.so.580.142', '580.142'],
    ['libnvidia-pkcs11-openssl3.so.580.159.04', '580.159.04'],
    ['NVIDIA-Linux-x86_64-580.159.04.run', '580.159.04'],
    ['NVIDIA-Linux-aarch64-570.26.run', '570.26'],
    ['NVIDIA-Linux-x86_64-550.120-no-compat32.run', '550.120'],
    ['NVIDIA-Linux-x86_64-550.163.01-grid.run', '550.163.01'],
  ])('reads %s as %s', (name, version) => {
    expect(versionInFileName(name)).toBe(version);
  });

  it.each([
    'libcuda.so.1',
    'libcuda.so',
    'libnvidia-ml.so.1',
    'libnvidia-container.so.1.17.8',
    'libnvidia-container-go.so.1.17.8',
    'libnvidia-nvvm.so.4.0.0',
    'libnvidia-egl-wayland.so.1.1.13',
    'latest.run',
    'NVIDIA-Linux-x86_64.run',
    '',
  ])('finds no version in %j', (name) => {
    expect(versionInFileName(name)).toBeNull();
  });

  it('finds the version in every runfile and library name', () => {
    fc.assert(
      fc.property(anyDriverVersion, (version) => {
        expect(versionInFileName(`NVIDIA-Linux-x86_64-${version}.run`)).toBe(version);
        expect(versionInFileName(`libcuda.so.${version}`)).toBe(version);
      }),
    );
  });
});
