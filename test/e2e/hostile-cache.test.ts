import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cacheKey } from '../../src/runfile/cache.ts';
import { EVIDENCE, writeToCache } from '../lab/hostile/host-cache-writer.ts';
import { plantLinksInCache, VICTIM, VICTIM_TEXT } from '../lab/hostile/host-links.ts';
import { libraryVersions, Scenario } from './scenario.ts';

const DRIVER = '580.159.04';

test('somebody who writes to the tool cache all the time gets nothing into a container', async () => {
  const scenario = await Scenario.start({ driver: DRIVER });
  try {
    await using writer = await writeToCache(scenario.host, DRIVER);
    // First downloaded, then with a cache that holds something else.
    for (const words of [/Downloading /, /is thrown away.*Downloading /s]) {
      const container = await scenario.container();
      const { stdout, outputs, toolCache } = await scenario.run({
        containers: `${container.ctid}`,
        'cuda-version': 'none',
        'nvidia-container': 'none',
      });
      expect(stdout).toMatch(words);
      expect(outputs['result']).toBe('changed');
      expect(await libraryVersions(container)).toEqual([DRIVER]);
      expect((await container.exec(['test', '-e', EVIDENCE])).exitCode).toBe(1);
      // Runfiles, and nothing that would be run or believed.
      expect(await readdir(toolCache)).toEqual(['nvidia-runfile']);
      // The next one is unpacked again.
      await writer.written();
      await scenario.host.exec(['find', '/var/lib/proxmox-lxc-nvidia', '-name', 'archive.*', '-delete']);
    }
  } finally {
    await scenario.end();
  }
});

test('links in a tool cache that others may write to: nothing is kept there, and what they lead to stays as it is', async () => {
  const scenario = await Scenario.start({ driver: DRIVER });
  try {
    await plantLinksInCache(scenario.host, join(scenario.host.directory, 'runner', 'tool-cache'), cacheKey(DRIVER));
    const container = await scenario.container();
    const { stdout } = await scenario.run({
      containers: `${container.ctid}`,
      'cuda-version': 'none',
      'nvidia-container': 'none',
    });
    expect(stdout).toMatch(/could not be kept in the tool cache: others can write to \S+tool-cache\./);
    expect(await libraryVersions(container)).toEqual([DRIVER]);
    const seen = 'cat "$1"; ls "$(dirname "$1")" | grep -c "\\.run$"';
    const { stdout: found } = await scenario.host.exec(['/bin/sh', '-c', seen, 'sh', VICTIM]);
    expect(found).toBe(`${VICTIM_TEXT}0\n`);
  } finally {
    await scenario.end();
  }
});
