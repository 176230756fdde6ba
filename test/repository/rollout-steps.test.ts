import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkEarlierHosts } from '../../.github/actions/rollout/earlier-hosts.ts';
import { createGitHub } from '../../.github/actions/rollout/github.ts';
import { checkTrusted } from '../../.github/actions/rollout/trusted.ts';
import { readWishes } from '../../.github/actions/rollout/wishes.ts';
import { ROOT, text } from './workflow-files.ts';

describe('what GitHub is asked', () => {
  const job = (name: string, conclusion: string | null) => ({ name, conclusion });
  const many = Array.from({ length: 100 }, (_, index) => job(`rollout / Plan for h${index}`, 'success'));

  test('all jobs of the run, however many pages they fill', async () => {
    const pages = [many, [job('rollout / Apply to pve1', 'failure'), job('rollout / Apply to pve2', null)]];
    const github = async (path: string) => ({ jobs: pages[Number(/&page=(\d+)/.exec(path)?.[1]) - 1] });
    await expect(checkEarlierHosts(github, 'o/r/actions/runs/1', 'pve2', ['pve1', 'pve2'])).rejects.toThrow(
      'pve1 failed',
    );
  });

  test.each(['cancelled', 'timed_out', 'skipped', 'action_required'])(
    'an earlier job that ended as %s stops',
    async (end) => {
      const github = async () => ({ jobs: [job('Apply to pve1', end), job('Apply to pve2', null)] });
      await expect(checkEarlierHosts(github, 'o/r/actions/runs/1', 'pve2', ['pve1', 'pve2'])).rejects.toThrow(
        'pve1 failed',
      );
    },
  );

  test('another host whose name ends alike is not meant', async () => {
    const github = async () => ({
      jobs: [
        job('x / Apply to a-pve1', 'failure'),
        job('x / Apply to pve1', 'success'),
        job('x / Apply to pve2', null),
      ],
    });
    await checkEarlierHosts(github, 'o/r/actions/runs/1', 'pve2', ['pve1', 'pve2']);
  });

  test('jobs by other names than expected are a refusal, not a consent', async () => {
    const github = async () => ({ jobs: [job('Apply to pve1 (rollout)', 'failure')] });
    await expect(checkEarlierHosts(github, 'o/r/actions/runs/1', 'pve2', ['pve1', 'pve2'])).rejects.toThrow(
      'none named',
    );
  });

  test.each([403, 404, 500])('an answer %i is a refusal', async (status) => {
    const server = createServer((_, response) => response.writeHead(status).end());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    await expect(createGitHub(`http://127.0.0.1:${port}`, 'a-token')('/x')).rejects.toThrow(`answers ${status}`);
    await new Promise((closed) => server.close(closed));
    await expect(createGitHub(`http://127.0.0.1:${port}`, 'a-token')('/x')).rejects.toThrow('be reached');
  });
});

test('docs/rollout.md explains every code of a refusal', async () => {
  const folder = join(ROOT, '.github/actions/rollout');
  const sources = (await readdir(folder)).filter((name) => name.endsWith('.ts') && name !== 'main.ts');
  const code = /'([A-Z_]{5,})',?\s*\);/g;
  const codes = await Promise.all(
    sources.map(async (name) => [...(await readFile(join(folder, name), 'utf8')).matchAll(code)].map(([, one]) => one)),
  );
  const [, table = ''] = (await text('docs/rollout.md')).split('### When a rollout refuses');
  const explained = [...table.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, one]) => one);
  expect([...new Set(codes.flat())].sort()).toEqual(explained.sort());
});

describe('what may reach a host', () => {
  test.each([
    ['push', 'refs/heads/main'],
    ['workflow_dispatch', 'refs/heads/main'],
    ['schedule', 'refs/heads/main'],
  ])('%s on %s', (event, ref) => {
    expect(() => checkTrusted(event, ref, 'main')).not.toThrow();
  });

  test.each([
    ['pull_request', 'refs/pull/7/merge', 'main'],
    ['pull_request_target', 'refs/heads/main', 'main'],
    ['workflow_run', 'refs/heads/main', 'main'],
    ['issue_comment', 'refs/heads/main', 'main'],
    ['push', 'refs/heads/feature', 'main'],
    ['push', 'refs/tags/main', 'main'],
    ['workflow_dispatch', 'refs/heads/feature', 'main'],
    ['push', 'refs/heads/', ''],
  ])('not %s on %s', (event, ref, branch) => {
    expect(() => checkTrusted(event, ref, branch)).toThrow(
      event === 'push' || event === 'workflow_dispatch' ? ref : event,
    );
  });
});

describe('wishes', () => {
  const host = (wish: object) => ({ hosts: [{ host: 'pve1', containers: '901', ...wish }] });

  test.each<[string, unknown, string]>([
    ['no JSON', '{"hosts": [', 'no JSON'],
    ['a list', [], 'no JSON object'],
    ['no hosts', { hosts: [] }, 'names no host'],
    ['something besides', { hosts: [{ host: 'a', containers: '1' }], defaults: {} }, '"defaults"'],
    ['a host twice', { hosts: [1, 2].map(() => ({ host: 'pve1', containers: '901' })) }, '"pve1" twice'],
    [
      'too many hosts',
      { hosts: Array.from({ length: 257 }, (_, i) => ({ host: `h${i}`, containers: '1' })) },
      '257 hosts',
    ],
    [
      'too long a list',
      { hosts: Array.from({ length: 250 }, (_, i) => ({ host: `h${i}`, containers: '9'.repeat(300) })) },
      'characters',
    ],
    ['a host without name', host({ host: undefined }), '"host" is undefined'],
    ['a name that is an expression', host({ host: '${{ github.token }}' }), 'host name'],
    ['a name with a path', host({ host: '../pve1' }), 'host name'],
    ['a name with a line break', host({ host: 'pve1\n' }), 'host name'],
    ['no containers', host({ containers: '' }), 'names no containers'],
    ['a number', host({ 'cuda-version': 12.1 }), 'in quotes'],
    ['an unknown wish', host({ 'cuda-versoin': '12.8' }), '"cuda-versoin", which is no wish'],
    ['what the workflows set', host({ mode: 'apply' }), '"mode", which is no wish'],
    ['a file of the hosts', host({ 'phoenix-lxc-config': '/etc/shadow' }), 'no wish'],
  ])('with %s are refused', (_, wrong, message) => {
    expect(() => readWishes(typeof wrong === 'string' ? wrong : JSON.stringify(wrong))).toThrow(message);
  });
});
