import { describe, expect, it } from 'vitest';
import { parseGpuInformation, parseKernelModule } from '../../../src/facts/driver-files.ts';
import { fixtureText } from '../helpers/fixtures.ts';

describe('parseKernelModule', () => {
  it('reads the recorded open kernel module', () => {
    expect(parseKernelModule(fixtureText('nvidia/h100-580.159.04/proc-driver-nvidia-version'))).toEqual({
      version: '580.159.04',
      kernelModule: 'open',
    });
  });

  it.each([
    [
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 10:11:16 UTC 2025\nGCC version:  gcc version 14.2.0 (Debian 14.2.0-19)\n',
      { version: '580.95.05', kernelModule: 'proprietary' },
    ],
    [
      'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder@U22-I3-B02-3-1)  Tue Sep 23 09:57:55 UTC 2025\nGCC version:  gcc version 12.3.0\n',
      { version: '580.95.05', kernelModule: 'open' },
    ],
    [
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.78  Sun Apr 14 06:35:45 UTC 2024\n',
      { version: '550.78', kernelModule: 'proprietary' },
    ],
    [
      'NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  570.133.20  Release Build\n',
      { version: '570.133.20', kernelModule: 'open' },
    ],
  ])('reads %j', (text, driver) => {
    expect(parseKernelModule(text)).toEqual(driver);
  });

  it.each(['', '\n', 'GCC version:  gcc version 580.95.05\n', 'NVRM version: unknown\n', '<html>580.95.05</html>'])(
    'finds nothing in %j',
    (text) => {
      expect(parseKernelModule(text)).toBeNull();
    },
  );
});

describe('parseGpuInformation', () => {
  const recorded = fixtureText('nvidia/h100-580.159.04/proc-driver-nvidia-gpus-information');

  it('reads the recorded GPU', () => {
    expect(parseGpuInformation(recorded, 'name of the directory')).toEqual({
      name: 'NVIDIA H100 80GB HBM3',
      uuid: 'GPU-0a264593-e88f-4a03-a324-35a383b24004',
      bus: '0000:00:06.0',
      minor: 0,
    });
  });

  it('reads both GPUs of the recorded host', () => {
    const { gpus } = JSON.parse(fixtureText('nvidia/lxc-2xh100-580.159.04/host.json')) as { gpus: string };
    const files = gpus.split(/^# .*\n/m).filter((text) => text !== '');
    expect(files.map((text) => parseGpuInformation(text, ''))).toMatchObject([
      { minor: 0, bus: '0000:00:06.0', uuid: 'GPU-e37561c6-1450-88f3-251a-6e09235c19d6' },
      { minor: 1, bus: '0000:00:07.0', uuid: 'GPU-fe7df50f-0d5b-d418-5b3f-9e713d9829d3' },
    ]);
  });

  it('does without minor number and bus, which old drivers do not tell', () => {
    const old = recorded.replace(/^(Device Minor|Bus Location):.*\n/gm, '');
    expect(parseGpuInformation(old, '0000:01:00.0')).toMatchObject({ minor: null, bus: '0000:01:00.0' });
  });

  it('takes question marks for no UUID: so it looks until the GPU was used', () => {
    const unused = recorded.replace(/GPU-[0-9a-f-]+/, 'GPU-????????-????-????-????-????????????');
    expect(parseGpuInformation(unused, '')).toMatchObject({ uuid: null, minor: 0 });
  });

  it.each(['', 'Model: x\n', '<html>'])('finds no GPU in %j', (text) => {
    expect(parseGpuInformation(text, '')).toBeNull();
  });
});
