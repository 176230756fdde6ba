import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Desired } from '../../../src/desired/desired.ts';
import { INPUTS, type InputName, readDesired } from '../../../src/desired/inputs.ts';
import { desired } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';

type Given = Partial<Record<InputName, string>>;

/** What the given inputs wish; what isn't given is `""`, as the runner hands it over where action.yml has no default. */
function read(given: Given, files: Record<string, string> = {}): Promise<Desired> {
  return readDesired(
    (name) => given[name] ?? '',
    async (path) => {
      const text = files[path];
      if (text === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
      return text;
    },
  );
}

const LEAST: Given = { containers: '901', 'cuda-version': '12.8' };

describe('readDesired', () => {
  it('needs containers and a toolkit only', async () => {
    expect(await read(LEAST)).toEqual(desired());
  });

  it("gives the same with action.yml's defaults written out", async () => {
    const action = parse(readFileSync(join(import.meta.dirname, '../../../action.yml'), 'utf8'));
    const defaults = Object.fromEntries(
      Object.entries<{ default?: string }>(action.inputs).map(([name, input]) => [name, input.default ?? '']),
    );
    expect(Object.keys(action.inputs)).toEqual([...INPUTS]);
    expect(await read({ ...defaults, ...LEAST })).toEqual(desired());
  });

  it('reads every input', async () => {
    const wish = await read({
      mode: 'plan',
      containers: '905, 901-902 tag:GPU',
      'driver-version': '580.159.04',
      'runfile-url': 'https://mirror.example/{version}/NVIDIA-Linux-{arch}-{version}.run',
      'runfile-sha256': 'AB'.repeat(32),
      'runfile-integrity': 'self-check',
      'cuda-version': '13.0',
      'cuda-packages': 'cuda-nvcc, cuda-cudart-dev\ncuda-nvcc',
      'nvidia-container': 'toolkit',
      verify: 'driver',
      'cuda-repository': 'https://mirror.example/cuda//',
      'cuda-repository-key':
        'EB69 3B30 35CD 5710 E231  E123 A4B4 6996 3BF8 63CC,\n02182e60104fcdc26eae1b8597a5d4cb8793f200\n',
      'nvidia-container-repository': 'https://mirror.example/container/',
      'nvidia-container-repository-key': 'C95B321B61E88C1809C4F759DDCAE044F796ECB0',
      'container-proxy': 'http://user:s3cret@proxy.example:3128',
      'container-no-proxy': 'mirror.example, .internal',
      rollback: 'require',
      facts: 'facts/pve1.json',
      'facts-max-age-hours': '48',
      'plan-valid-days': '3',
      'max-parallel': '4',
      'on-failure': 'continue',
      passthrough: 'configure',
      restart: 'after-change',
      'timeout-minutes': '1440',
      'lock-wait-minutes': '0',
      sudo: 'never',
    });
    expect(wish).toEqual({
      mode: 'plan',
      containers: { ctids: [901, 902, 905], tags: ['gpu'], all: false },
      gpus: {},
      facts: { path: 'facts/pve1.json', maxAgeHours: 48 },
      approvedPlan: null,
      planValidDays: 3,
      maxParallel: 4,
      onFailure: 'continue',
      driver: { kind: 'exact', version: '580.159.04', source: 'Input "driver-version"' },
      runfile: {
        address: {
          kind: 'template',
          url: 'https://mirror.example/{version}/NVIDIA-Linux-{arch}-{version}.run',
          source: 'Input "runfile-url"',
        },
        sha256: 'ab'.repeat(32),
        integrity: 'self-check',
      },
      cuda: { kind: 'version', version: { major: 13, minor: 0 } },
      cudaPackages: ['cuda-nvcc', 'cuda-cudart-dev'],
      nvidiaContainer: 'toolkit',
      verify: 'driver',
      cudaRepository: {
        base: 'https://mirror.example/cuda',
        keys: ['EB693B3035CD5710E231E123A4B469963BF863CC', '02182E60104FCDC26EAE1B8597A5D4CB8793F200'],
      },
      nvidiaContainerRepository: {
        base: 'https://mirror.example/container',
        keys: ['C95B321B61E88C1809C4F759DDCAE044F796ECB0'],
      },
      containerProxy: { url: 'http://user:s3cret@proxy.example:3128', direct: ['mirror.example', '.internal'] },
      rollback: 'require',
      passthrough: 'configure',
      restart: 'after-change',
      timeoutMinutes: 1440,
      lockWaitMinutes: 0,
      sudo: 'never',
    } satisfies Desired);
  });

  it('verifies the driver only where no toolkit is asked for', async () => {
    const wish = await read({ ...LEAST, 'cuda-version': 'none', verify: 'toolkit' });
    expect(wish.cuda).toEqual({ kind: 'none' });
    expect(wish.verify).toBe('driver');
  });

  it.each<[Given, string, string]>([
    [{ containers: '' }, 'NO_CONTAINER_NAMED', 'No container is named'],
    [{ containers: ' \n' }, 'NO_CONTAINER_NAMED', 'No container is named'],
    [{ containers: ',' }, 'NO_CONTAINER_NAMED', 'containers'],
    [{ containers: '12; rm -rf /' }, 'CONTAINER_LIST_INVALID', '"12;"'],
    [{ 'cuda-version': '' }, 'CUDA_VERSION_MISSING', 'cuda-version'],
    [{ 'cuda-version': '12.8.1' }, 'CUDA_VERSION_INVALID', '"12.8.1"'],
    [{ 'cuda-version': 'latest' }, 'CUDA_VERSION_INVALID', '"latest"'],
    [{ 'cuda-version': 'null' }, 'CUDA_VERSION_INVALID', 'cuda-version'],
    [{ 'cuda-version': '12' }, 'CUDA_VERSION_INVALID', '"12"'],
    [{ 'cuda-version': 'None' }, 'CUDA_VERSION_INVALID', '"None"'],
    [{ 'cuda-version': '9.0' }, 'CUDA_VERSION_INVALID', '11.0 or newer'],
    [{ 'cuda-version': '10.2' }, 'CUDA_VERSION_INVALID', '11.0 or newer'],
    [{ 'cuda-packages': 'cuda-nvcc; reboot' }, 'INPUT_INVALID', '"cuda-nvcc;"'],
    [{ 'cuda-packages': 'cuda-nvcc=1' }, 'INPUT_INVALID', 'cuda-packages'],
    [{ 'cuda-packages': '-y' }, 'INPUT_INVALID', '"-y"'],
    [{ 'cuda-packages': 'cuda-nvcc-12-8' }, 'INPUT_INVALID', "without the toolkit's version"],
    [{ 'cuda-packages': ',' }, 'INPUT_INVALID', 'names no package'],
    [{ 'driver-version': '580' }, 'DRIVER_VERSION_INVALID', '"580"'],
    [{ 'driver-version': 'latest' }, 'DRIVER_VERSION_INVALID', '580.159.04'],
    [{ 'runfile-url': 'http://mirror.example/x.run' }, 'URL_INSECURE', 'runfile-url'],
    [{ 'runfile-url': 'ftp://mirror.example/x.run' }, 'URL_INVALID', 'runfile-url'],
    [{ 'runfile-url': 'file://server/x.run' }, 'URL_INVALID', 'https://'],
    [{ 'runfile-url': 'file:///x.run?y' }, 'URL_INVALID', 'https://'],
    [{ 'cuda-repository': 'file:///mirror' }, 'URL_INVALID', 'https://'],
    [{ 'container-proxy': 'proxy.example:3128' }, 'URL_INVALID', 'http://host:port'],
    [{ 'container-proxy': 'socks5://proxy.example' }, 'URL_INVALID', 'http://host:port'],
    [{ 'container-proxy': 'http://a\nb' }, 'URL_INVALID', 'http://host:port'],
    [{ 'container-no-proxy': 'x.example' }, 'INPUT_INVALID', 'without "container-proxy"'],
    [{ 'runfile-url': 'mirror.example/x.run' }, 'URL_INVALID', 'https://'],
    [{ 'runfile-sha256': 'abc' }, 'INPUT_INVALID', '64 hexadecimal digits'],
    [{ 'runfile-sha256': `${'ab'.repeat(32)}0` }, 'INPUT_INVALID', '64 hexadecimal digits'],
    [{ 'runfile-integrity': 'none' }, 'INPUT_INVALID', 'checksum, self-check'],
    [{ mode: 'Apply' }, 'INPUT_INVALID', 'apply, plan'],
    [{ mode: 'destroy' }, 'INPUT_INVALID', '"destroy"'],
    [{ verify: 'all' }, 'INPUT_INVALID', 'driver, toolkit'],
    [{ 'nvidia-container': 'yes' }, 'INPUT_INVALID', 'library, toolkit, none'],
    [{ 'cuda-repository': 'http://mirror.example/cuda' }, 'URL_INSECURE', 'cuda-repository'],
    [{ 'cuda-repository': 'mirror' }, 'URL_INVALID', '"mirror"'],
    [{ 'cuda-repository-key': '3bf863cc' }, 'INPUT_INVALID', '40 hexadecimal digits'],
    [{ 'nvidia-container-repository': 'http://m.example' }, 'URL_INSECURE', 'nvidia-container-repository'],
    [{ 'nvidia-container-repository-key': 'x'.repeat(40) }, 'INPUT_INVALID', 'nvidia-container-repository-key'],
    [{ 'timeout-minutes': '0' }, 'INPUT_INVALID', '1 to 1440'],
    [{ 'timeout-minutes': '1441' }, 'INPUT_INVALID', '1 to 1440'],
    [{ 'timeout-minutes': '1.5' }, 'INPUT_INVALID', '"1.5"'],
    [{ 'timeout-minutes': '-1' }, 'INPUT_INVALID', '"-1"'],
    [{ 'lock-wait-minutes': '1441' }, 'INPUT_INVALID', '0 to 1440'],
    [{ 'lock-wait-minutes': 'none' }, 'INPUT_INVALID', 'lock-wait-minutes'],
    [{ rollback: 'yes' }, 'INPUT_INVALID', 'auto, require, never'],
    [{ passthrough: 'yes' }, 'INPUT_INVALID', 'check, configure'],
    [{ restart: 'always' }, 'INPUT_INVALID', 'never, after-change'],
    [{ 'cuda-repository': 'https://me:s3cret@m.example/cuda' }, 'URL_INVALID', 'cuda-repository'],
    [{ 'nvidia-container-repository': 'https://m.example/c?token=1' }, 'URL_INVALID', 'nvidia-container-repository'],
    [{ 'timeout-minutes': '0x10' }, 'INPUT_INVALID', '"0x10"'],
  ])('refuses %j as %s', async (given, code, named) => {
    const failure = await failureOf(() => read({ ...LEAST, ...given }));
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(named);
  });

  it('shows no password of an address that it refuses', async () => {
    for (const url of ['http://me:s3cret@mirror.example/x', 'ftp://me:s3cret@mirror.example/x', 'https://me:s3cret@']) {
      const { message } = await failureOf(() => read({ ...LEAST, 'cuda-repository': url }));
      expect(message).not.toContain('s3cret');
    }
  });

  it('takes a runfile on this host', async () => {
    const url = 'file:///var/lib/nvidia/{version}/NVIDIA-Linux-{arch}-{version}.run';
    const { runfile } = await read({ ...LEAST, 'runfile-url': url });
    expect(runfile.address).toEqual({ kind: 'template', url, source: 'Input "runfile-url"' });
  });

  it('shows no password of a proxy that it refuses', async () => {
    const { message } = await failureOf(() => read({ ...LEAST, 'container-proxy': 'ftp://user:s3cret@proxy.example' }));
    expect(message).toContain('ftp://***@proxy.example');
    expect(message).not.toContain('s3cret');
  });

  it('shows an address that it refuses as it was written', async () => {
    const { message } = await failureOf(() =>
      read({ ...LEAST, 'runfile-url': 'http://mirror.example/{version}/x.run' }),
    );
    expect(message).toContain('http://mirror.example/{version}/x.run');
  });
});

const LXC = JSON.stringify({
  nvidia_driver_version: '580.159.04',
  nvidia_runfile_url: 'https://mirror.example/NVIDIA-Linux-x86_64-580.159.04.run',
  lxc_configs: {
    905: { gpu_assignment: '0, 1', features: ['nvidia'] },
    901: { gpu_assignment: '1', template: 'debian' },
    902: { gpu_assignment: 'none' },
    903: { features: [] },
  },
});
const HYPERVISOR = JSON.stringify({
  nvidia_driver: {
    install: true,
    version: '580.159.04',
    runfile_url: 'https://mirror.example/NVIDIA-Linux-x86_64-580.159.04.run',
    cuda_version: '12.8',
  },
});
const PATHS: Given = { 'phoenix-lxc-config': 'lxc.json', 'phoenix-hypervisor-config': 'hypervisor.json' };

describe('readDesired with Phoenix files', () => {
  it('takes every wish from them', async () => {
    const wish = await read(PATHS, { 'lxc.json': LXC, 'hypervisor.json': HYPERVISOR });
    expect(wish.containers).toEqual({ ctids: [901, 905], tags: [], all: false });
    expect(wish.gpus).toEqual({ 901: [1], 902: [], 905: [0, 1] });
    expect(wish.driver).toEqual({ kind: 'exact', version: '580.159.04', source: 'lxc.json: nvidia_driver_version' });
    expect(wish.runfile.address).toEqual({
      kind: 'template',
      url: 'https://mirror.example/NVIDIA-Linux-x86_64-580.159.04.run',
      source: 'lxc.json: nvidia_runfile_url',
    });
    expect(wish.cuda).toEqual({ kind: 'version', version: { major: 12, minor: 8 } });
  });

  it('lets inputs win over every wish in them', async () => {
    const wish = await read(
      { ...PATHS, containers: '902-905', 'driver-version': 'host', 'runfile-url': 'derived', 'cuda-version': 'none' },
      { 'lxc.json': '{}', 'hypervisor.json': '{}' },
    );
    expect(wish.driver).toEqual({ kind: 'host' });
    expect(wish.runfile.address).toEqual({ kind: 'derived' });
    expect(wish.cuda).toEqual({ kind: 'none' });
    expect(wish.containers).toEqual({ ctids: [902, 903, 904, 905], tags: [], all: false });
    expect(wish.gpus).toEqual({});
  });

  it('knows the GPUs of containers named by input', async () => {
    const wish = await read({ ...PATHS, containers: '902,905' }, { 'lxc.json': LXC, 'hypervisor.json': HYPERVISOR });
    expect(wish.containers).toEqual({ ctids: [902, 905], tags: [], all: false });
    expect(wish.gpus).toMatchObject({ 902: [], 905: [0, 1] });
  });

  it.each<[string, Given, Record<string, string>, string, string[]]>([
    ['a missing file', PATHS, { 'lxc.json': LXC }, 'PHOENIX_FILE_UNREADABLE', ['hypervisor.json']],
    ['no JSON', PATHS, { 'lxc.json': '{"a": ', 'hypervisor.json': HYPERVISOR }, 'PHOENIX_FILE_INVALID', ['lxc.json']],
    ['an empty file', PATHS, { 'lxc.json': '', 'hypervisor.json': HYPERVISOR }, 'PHOENIX_FILE_INVALID', ['lxc.json']],
    ['an array', PATHS, { 'lxc.json': '[]', 'hypervisor.json': HYPERVISOR }, 'PHOENIX_FILE_INVALID', ['lxc.json']],
    [
      'a number for a text',
      PATHS,
      { 'lxc.json': LXC, 'hypervisor.json': '{"nvidia_driver":{"cuda_version":12.8}}' },
      'PHOENIX_FILE_INVALID',
      ['hypervisor.json', 'nvidia_driver.cuda_version'],
    ],
    [
      'a missing key',
      PATHS,
      { 'lxc.json': '{"lxc_configs":{"901":{"gpu_assignment":"0"}}}', 'hypervisor.json': '{"nvidia_driver":{}}' },
      'PHOENIX_KEY_MISSING',
      ['hypervisor.json: nvidia_driver.cuda_version'],
    ],
    [
      'a missing section',
      PATHS,
      { 'lxc.json': LXC, 'hypervisor.json': '{}' },
      'PHOENIX_KEY_MISSING',
      ['hypervisor.json: nvidia_driver.cuda_version'],
    ],
    [
      'null for a value',
      PATHS,
      { 'lxc.json': LXC, 'hypervisor.json': '{"nvidia_driver":{"cuda_version":null}}' },
      'PHOENIX_KEY_MISSING',
      ['hypervisor.json: nvidia_driver.cuda_version'],
    ],
    [
      'the text "null", which jq -r leaves behind',
      PATHS,
      { 'lxc.json': LXC, 'hypervisor.json': '{"nvidia_driver":{"cuda_version":"null"}}' },
      'PHOENIX_KEY_MISSING',
      ['hypervisor.json: nvidia_driver.cuda_version'],
    ],
    [
      'a driver version in neither file',
      { ...PATHS, 'cuda-version': '12.8' },
      {
        'lxc.json': '{"lxc_configs":{"901":{"gpu_assignment":"0"}}}',
        'hypervisor.json': '{"nvidia_driver":{"version":""}}',
      },
      'PHOENIX_KEY_MISSING',
      ['lxc.json: nvidia_driver_version', 'hypervisor.json: nvidia_driver.version'],
    ],
    [
      'no lxc_configs',
      { ...PATHS, 'cuda-version': '12.8' },
      { 'lxc.json': '{}', 'hypervisor.json': HYPERVISOR },
      'PHOENIX_KEY_MISSING',
      ['lxc.json: lxc_configs'],
    ],
    [
      'files that disagree',
      PATHS,
      { 'lxc.json': LXC, 'hypervisor.json': HYPERVISOR.replace('"580.159.04"', '"580.142"') },
      'PHOENIX_CONFLICT',
      ['580.159.04', '580.142', 'lxc.json', 'hypervisor.json'],
    ],
    [
      'a gpu_assignment that is none',
      PATHS,
      { 'lxc.json': '{"lxc_configs":{"901":{"gpu_assignment":"all"}}}', 'hypervisor.json': HYPERVISOR },
      'PHOENIX_FILE_INVALID',
      ['lxc.json', 'lxc_configs.901.gpu_assignment', '"all"'],
    ],
    [
      'no container with a GPU',
      PATHS,
      { 'lxc.json': '{"lxc_configs":{"901":{"gpu_assignment":"none"}}}', 'hypervisor.json': HYPERVISOR },
      'NO_CONTAINER_NAMED',
      ['gpu_assignment'],
    ],
    [
      'a driver version that is none',
      PATHS,
      {
        'lxc.json': LXC.replace('"580.159.04"', '"580"'),
        'hypervisor.json': HYPERVISOR.replace('"580.159.04"', '"580"'),
      },
      'DRIVER_VERSION_INVALID',
      ['lxc.json: nvidia_driver_version', '"580"'],
    ],
    [
      'an insecure address',
      PATHS,
      { 'lxc.json': LXC.replace('https:', 'http:'), 'hypervisor.json': HYPERVISOR.replace('https:', 'http:') },
      'URL_INSECURE',
      ['lxc.json: nvidia_runfile_url'],
    ],
  ])('refuses %s', async (_what, given, files, code, named) => {
    const failure = await failureOf(() => read(given, files));
    expect(failure.code).toBe(code);
    for (const name of named) expect(failure.message).toContain(name);
    expect(failure.message).not.toContain('"null"');
  });

  it('says CUDA_VERSION_MISSING where only the other file is given', async () => {
    const failure = await failureOf(() => read({ 'phoenix-lxc-config': 'lxc.json' }, { 'lxc.json': LXC }));
    expect(failure.code).toBe('CUDA_VERSION_MISSING');
  });

  it('does not overlook a container whose key is no container id', async () => {
    const files = {
      'lxc.json': LXC.replace('"903":{', '"0903":{"gpu_assignment":"0",'),
      'hypervisor.json': HYPERVISOR,
    };
    expect((await failureOf(() => read(PATHS, files))).code).toBe('PHOENIX_FILE_INVALID');
  });
});
