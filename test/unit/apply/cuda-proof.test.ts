import { describe, expect, it } from 'vitest';
import { compileProof } from '../../../src/apply/cuda-proof.ts';
import { CUDA_PROOF_SOURCE } from '../../../src/facts/cuda-proof-source.ts';
import { CUDA_PROOF_ID } from '../../../src/facts/kept-proof.ts';
import { FakeHost, scriptOf } from '../helpers/commands.ts';
import { cudaProof, GPU0 } from '../helpers/facts.ts';
import { pctOf } from '../helpers/pct.ts';

describe('compileProof', () => {
  it('hands over toolkit, source and each architecture once, in one call', async () => {
    const host = new FakeHost(() => ({ stdout: cudaProof([GPU0]) }));
    const proof = await compileProof(pctOf(host.run), 901, '/usr/local/cuda-12.8', ['9.0', '12.0', '9.0']);
    expect(proof).toEqual({ exitCode: 0, output: cudaProof([GPU0]) });
    expect(host.calls).toHaveLength(1);
    const [call] = host.calls;
    if (call === undefined) throw new Error('no call');
    expect(scriptOf(call).args).toEqual(['/usr/local/cuda-12.8', CUDA_PROOF_ID, CUDA_PROOF_SOURCE, '90', '120']);
  });

  it('keeps the beginning of what a program prints without end', async () => {
    const host = new FakeHost(() => ({ stdout: 'x'.repeat(1_000_000) }));
    const proof = await compileProof(pctOf(host.run), 901, '/usr/local/cuda-12.8', []);
    expect(proof.output).toHaveLength(64 * 1024);
  });

  it('keeps what the shell says when it fails', async () => {
    const host = new FakeHost(() => ({ exitCode: 2, stderr: 'mkdir: No space left on device' }));
    const proof = await compileProof(pctOf(host.run), 901, '/usr/local/cuda-12.8', []);
    expect(proof.exitCode).toBe(2);
    expect(proof.output).toContain('No space left on device');
  });
});
