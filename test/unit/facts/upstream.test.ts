import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Upstream } from '../../../src/facts/upstream.ts';
import { RunfileCache } from '../../../src/runfile/cache.ts';
import { KnownRunfiles } from '../../../src/runfile/known-runfiles.ts';
import type { Http } from '../../../src/system/http.ts';
import { DRIVER, desired } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';
import { RecordingLog } from '../helpers/log.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const KEYRING = readFileSync(join(import.meta.dirname, '../../fixtures/keys/one.gpg'));
const FINGERPRINT = '81464A4A8AC2BB428377C0EA7F586458091BE790';
const REPOSITORY = {
  name: 'nvidia-container',
  uri: 'https://mirror.example/stable/deb/amd64/',
  keySource: { kind: 'key', url: 'https://mirror.example/gpgkey' },
  keys: [FINGERPRINT],
  keyring: '/etc/apt/keyrings/x.gpg',
} as const;

function upstream() {
  process.env['RUNNER_TOOL_CACHE'] = temporaryDirectory();
  const asked: string[] = [];
  const http: Http = {
    get: async (url) => {
      asked.push(`GET ${url}`);
      if (url.endsWith('gpgkey')) return KEYRING;
      if (url.endsWith('Packages.gz')) return gzipSync('Package: libnvidia-container1\nVersion: 1.17.8-1\n');
      return Buffer.from(`${'ab'.repeat(32)}  x.run\n`);
    },
    head: async (url) => {
      asked.push(`HEAD ${url}`);
      return 7;
    },
    download: () => Promise.reject(new Error('nothing is downloaded to plan')),
  };
  const run = () => Promise.reject(new Error('no command is needed'));
  const temporary = temporaryDirectory();
  const stores = { cache: new RunfileCache(temporary), known: new KnownRunfiles(join(temporary, 'runfiles.json')) };
  return { upstream: new Upstream({ http, run, log: new RecordingLog() }, stores, temporary), asked };
}

describe('Upstream', () => {
  it('asks for nothing where nothing is needed', async () => {
    const { upstream: web, asked } = upstream();
    expect(await web.observe({ driver: null, repositories: [] }, desired(), 'x86_64')).toEqual({
      runfile: null,
      cuda: null,
      nvidiaContainer: null,
    });
    expect(asked).toEqual([]);
  });

  it('looks each thing up once, however many containers need it', async () => {
    const { upstream: web, asked } = upstream();
    const needs = { driver: DRIVER, repositories: [{ ...REPOSITORY, keys: [...REPOSITORY.keys] }] };
    const first = await web.observe(needs, desired(), 'x86_64');
    expect(first.runfile).toMatchObject({ version: DRIVER, sha256: 'ab'.repeat(32), size: 7 });
    expect(first.cuda).toBeNull();
    expect(first.nvidiaContainer).toMatchObject({ fingerprints: [FINGERPRINT], packages: [{ version: '1.17.8-1' }] });
    const count = asked.length;
    expect(await web.observe(needs, desired(), 'x86_64')).toEqual(first);
    expect(asked).toHaveLength(count);
    expect(new Set(asked).size).toBe(count);
  });

  it('fails as the look-up does', async () => {
    const { upstream: web } = upstream();
    const needs = { driver: null, repositories: [{ ...REPOSITORY, keys: ['F'.repeat(40)] }] };
    expect((await failureOf(() => web.observe(needs, desired(), 'x86_64'))).code).toBe('REPOSITORY_KEY_UNKNOWN');
  });
});
