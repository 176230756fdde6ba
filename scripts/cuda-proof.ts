import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes native/cuda-proof/cuda-proof.cu as a module, since the bundle can't read a file beside it. */
const ROOT = join(import.meta.dirname, '..');
const MODULE = join(ROOT, 'src/facts/cuda-proof-source.ts');

const text = readFileSync(join(ROOT, 'native/cuda-proof/cuda-proof.cu'), 'utf8');
writeFileSync(
  MODULE,
  `/** native/cuda-proof/cuda-proof.cu, put here by scripts/cuda-proof.ts: change it there. */\n` +
    `export const CUDA_PROOF_SOURCE =\n  ${JSON.stringify(text)};\n`,
);
execFileSync(join(ROOT, 'node_modules/.bin/biome'), ['format', '--write', MODULE]);
