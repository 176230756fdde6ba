import { expect, it } from 'vitest';
import { runName } from '../../../src/system/runner.ts';

it('a run is called by the address of its workflow run', () => {
  const environment = { GITHUB_SERVER_URL: 'https://github.example', GITHUB_REPOSITORY: 'o/r', GITHUB_RUN_ID: '7' };
  expect(runName(environment)).toBe('https://github.example/o/r/actions/runs/7');
});

it('elsewhere it is called by its process', () => {
  expect(runName({ GITHUB_REPOSITORY: 'o/r' })).toContain(String(process.pid));
});
