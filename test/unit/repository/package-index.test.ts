import { describe, expect, it } from 'vitest';
import { parsePackageIndex, totalSize, withDependencies } from '../../../src/repository/package-index.ts';

const INDEX = `Package: cuda-toolkit-12-8
Version: 12.8.0-1
Architecture: amd64
Installed-Size: 21
Depends: cuda-nvcc-12-8 (>= 12.8.61)
Size: 3000
Description: meta package
 Package: not-a-package
 Version: 99

Package: cuda-toolkit-12-8
Version: 12.8.1-1
Architecture: amd64
Installed-Size: 22
Pre-Depends: dpkg (>= 1.17.14)
Depends: cuda-nvcc-12-8 (>= 12.8.93), libc6:any | libc6-udeb, default-jre | java8-runtime
Recommends: cuda-drivers
Size: 3001
Filename: ./cuda-toolkit-12-8_12.8.1-1_amd64.deb

Package: cuda-nvcc-12-8
Version: 12.8.93-1
installed-size: 190000
size: 43000000
depends: build-essential, cuda-toolkit-12-8


Package: no-version

Package: tiny
Version: 1
`;

describe('parsePackageIndex', () => {
  it('reads the newest version of each package', () => {
    expect(parsePackageIndex(INDEX)).toEqual([
      {
        name: 'cuda-toolkit-12-8',
        version: '12.8.1-1',
        downloadSize: 3001,
        installedSize: 22 * 1024,
        depends: ['dpkg', 'cuda-nvcc-12-8', 'libc6', 'default-jre'],
      },
      {
        name: 'cuda-nvcc-12-8',
        version: '12.8.93-1',
        downloadSize: 43_000_000,
        installedSize: 190_000 * 1024,
        depends: ['build-essential', 'cuda-toolkit-12-8'],
      },
      { name: 'tiny', version: '1', downloadSize: 0, installedSize: 0, depends: [] },
    ]);
  });

  it('keeps the newest version in whichever order they stand', () => {
    const stanza = (version: string) => `Package: p\nVersion: ${version}\n`;
    for (const order of [
      ['1.9-1', '1.10-1', '1.10~rc1-1'],
      ['1.10~rc1-1', '1.10-1', '1.9-1'],
    ]) {
      expect(parsePackageIndex(order.map(stanza).join('\n'))).toMatchObject([{ version: '1.10-1' }]);
    }
  });

  it.each(['', '\n\n\n', '<html><body>Log in</body></html>', 'Package:\nVersion:\n'])(
    'finds no package in %j',
    (text) => {
      expect(parsePackageIndex(text).filter(({ name }) => name !== '')).toEqual([]);
    },
  );
});

describe('the size of packages with dependencies', () => {
  const packages = parsePackageIndex(INDEX);

  it('adds up what is needed from the same index, each package once, also in circles', () => {
    expect(totalSize(withDependencies(packages, ['cuda-toolkit-12-8', 'cuda-toolkit-12-8']))).toEqual({
      download: 43_003_001,
      installed: 190_022 * 1024,
    });
  });

  it('is nothing for a package that is not there', () => {
    expect(totalSize(withDependencies(packages, ['cuda-toolkit-13-0']))).toEqual({ download: 0, installed: 0 });
  });
});
