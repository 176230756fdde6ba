import { describe, expect, it } from 'vitest';
import { NotAnIndex, PackageIndex, totalSize, withDependencies } from '../../../src/repository/package-index.ts';

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

function parsePackageIndex(text: string) {
  const index = new PackageIndex();
  index.push(text);
  return index.packages();
}

describe('PackageIndex', () => {
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

describe('a hostile index', () => {
  const stanza = (name: string, version: string, more = '') => `Package: ${name}\nVersion: ${version}\n${more}\n`;

  it('comes in any pieces', () => {
    for (const size of [1, 2, 7, 64]) {
      const index = new PackageIndex();
      for (let at = 0; at < INDEX.length; at += size) index.push(INDEX.slice(at, at + size));
      expect(index.packages()).toEqual(parsePackageIndex(INDEX));
    }
  });

  it.each(['12.8\u001b[2J\u001b[H-1', 'x', '1:2:3-', ':1', '-1', '1 2', '1‮2', `1${'0'.repeat(200)}`])(
    'has no package of version %j',
    (version) => {
      expect(parsePackageIndex(stanza('p', version) + stanza('q', '1.0'))).toMatchObject([{ name: 'q' }]);
    },
  );

  it.each(['P', '-o', 'a b', 'a=1', `a${'b'.repeat(200)}`, 'a\u0007'])('has no package that is called %j', (name) => {
    expect(parsePackageIndex(stanza(name, '1') + stanza('q', '1.0'))).toMatchObject([{ name: 'q' }]);
  });

  it.each(['1e9', '-5', '9'.repeat(40), 'NaN', '0x10'])('has no size of %j', (size) => {
    expect(parsePackageIndex(stanza('p', '1', `Size: ${size}\nInstalled-Size: ${size}\n`))).toMatchObject([
      { downloadSize: 0, installedSize: 0 },
    ]);
  });

  it('is refused with a line without end, at once', () => {
    const index = new PackageIndex();
    index.push('Depends: ');
    expect(() => {
      for (let pieces = 0; pieces < 100; pieces++) index.push('a,'.repeat(4096));
    }).toThrow(NotAnIndex);
  });

  it('is refused with more names than any repository has', () => {
    const index = new PackageIndex();
    const many = `Depends: ${'a,'.repeat(30_000)}\n`;
    expect(() => {
      for (let name = 0; name < 100; name++) index.push(stanza(`p${name}`, '1', many));
    }).toThrow(NotAnIndex);
  });

  it('may have any number of versions of the same package', () => {
    const index = new PackageIndex();
    for (let version = 0; version < 20_000; version++) index.push(stanza('p', `1.${version}`, 'Depends: a, b, c\n'));
    expect(index.packages()).toHaveLength(1);
  });
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
