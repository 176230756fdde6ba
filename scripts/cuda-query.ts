import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Builds native/cuda-query for both architectures and writes src/facts/cuda-query-programs.ts. Needs Debian 12's compilers,
 * gcc-12 and gcc-12-aarch64-linux-gnu: another compiler makes other bytes, and a test builds them there and compares.
 */
const ROOT = join(import.meta.dirname, '..');

/** By architecture: the compiler, and glibc's first symbol version there. */
const TARGETS = {
  x86_64: ['gcc-12', 'GLIBC_2.2.5'],
  aarch64: ['aarch64-linux-gnu-gcc-12', 'GLIBC_2.17'],
} as const;

const work = mkdtempSync(join(tmpdir(), 'cuda-query-'));
try {
  const programs = Object.entries(TARGETS).map(([architecture, [compiler, glibc]]) => {
    const output = join(work, architecture);
    execFileSync(join(ROOT, 'native/cuda-query/build'), [compiler, glibc, output], { stdio: 'inherit' });
    const bytes = readFileSync(output);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return `  ${architecture}: {\n    sha256: '${sha256}',\n    base64:\n      '${bytes.toString('base64')}',\n  },\n`;
  });
  writeFileSync(
    join(ROOT, 'src/facts/cuda-query-programs.ts'),
    `/** native/cuda-query, compiled by scripts/cuda-query.ts: change it there. */\n` +
      `export const CUDA_QUERY_PROGRAMS = {\n${programs.join('')}} as const;\n`,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}
