import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const RUN = join(import.meta.dirname, 'helpers/hostile-run.ts');

it.each(['packages', 'control characters', 'no UTF-8', 'GPUs'])(
  'stays below 250 MB with 256 containers that answer the most of %s they may',
  { timeout: 60_000 },
  async (kind) => {
    const { stdout } = await promisify(execFile)(process.execPath, [RUN, kind]);
    expect(Number(stdout) / 1024).toBeGreaterThan(50);
    expect(Number(stdout) / 1024).toBeLessThan(250);
  },
);
