import { execFileSync } from 'node:child_process';
import { openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { installPackages } from '../../../src/apply/apt.ts';
import { configureApt } from '../../../src/apply/configure-apt.ts';
import { ProxyFile } from '../../../src/apply/container-proxy.ts';
import { applyContext } from '../helpers/apply.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const PROXY = { url: "http://us'er:$(s3cret)@proxy.example:3128", direct: ['mirror.example', '.internal'] };

describe('ProxyFile', () => {
  it('gives a command the proxy by its standard input, and an empty one of its own', async () => {
    const temporary = temporaryDirectory();
    await using proxy = await ProxyFile.write(PROXY, temporary);
    const { argv, options } = proxy.through(['/bin/sh', '-c', 'env; cat; printf "%s\\n" "$@"', 'x', 'one two', '']);
    expect(JSON.stringify(argv)).not.toContain('s3cret');
    const [program = '', ...words] = argv;
    const stdin = openSync(options.stdinFile ?? '', 'r');
    const output = execFileSync(program, words, { encoding: 'utf8', env: {}, stdio: [stdin, 'pipe', 'inherit'] });
    expect(output.split('\n').filter((line) => !line.startsWith('PWD='))).toEqual(
      expect.arrayContaining([
        `http_proxy=${PROXY.url}`,
        `https_proxy=${PROXY.url}`,
        'no_proxy=mirror.example,.internal',
      ]),
    );
    expect(output.endsWith('\none two\n\n')).toBe(true);
  });

  it('lies where only its owner reads it, and is gone in the end', async () => {
    const temporary = join(temporaryDirectory(), 'made');
    {
      await using proxy = await ProxyFile.write(PROXY, temporary);
      const file = proxy.through(['x']).options.stdinFile ?? '';
      expect(statSync(file).mode & 0o777).toBe(0o600);
    }
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('is nothing without a proxy', async () => {
    await using proxy = await ProxyFile.write(null, '/nowhere');
    expect(proxy.through(['apt-get', 'update'])).toEqual({ argv: ['apt-get', 'update'], options: {} });
  });
});

it('everything that fetches goes through it, and no argument tells of it', async () => {
  await using proxy = await ProxyFile.write(PROXY, temporaryDirectory());
  const { context, host } = applyContext(() => ({}));
  const through = { ...context, proxy };
  await installPackages(through, [{ name: 'kmod', version: null }], true);
  await configureApt(through, {
    kind: 'configure-apt',
    reason: 'x',
    before: [],
    installCertificates: true,
    after: [],
    keys: [],
  });
  expect(host.calls).toHaveLength(2);
  for (const { stdinFile, argv } of host.calls) {
    expect(stdinFile).toBeDefined();
    expect(JSON.stringify(argv)).not.toContain('s3cret');
  }
});
