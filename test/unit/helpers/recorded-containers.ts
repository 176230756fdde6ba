import type { CommandFact, GuestDeviceNode } from '../../../src/facts/facts.ts';
import { cudaQuery } from './facts.ts';
import type { RecordedContainer } from './fixtures.ts';

function run(recorded: RecordedContainer, name: string): RecordedContainer['runs'][number] {
  const found = recorded.runs.find((candidate) => candidate.run === name);
  if (found === undefined) throw new Error(`container ${recorded.container} has no run ${name}`);
  return found;
}

/** The device nodes as `ls -l` and an attempt to open each showed them. */
export function recordedNodes(recorded: RecordedContainer): GuestDeviceNode[] {
  const opened = run(recorded, 'open').stdout;
  const result = (path: string): GuestDeviceNode['open'] => {
    if (opened.includes(`cannot open ${path}: Operation not permitted`)) return 'EPERM';
    if (opened.includes(`cannot open ${path}: Permission denied`)) return 'EACCES';
    return 'ok';
  };
  return [...run(recorded, 'dev').stdout.matchAll(/^c\S+ +\d+ \S+ \S+ +(\d+), +(\d+) .* (\/dev\/\S+)$/gm)].map(
    ([, major, minor, path = '']) => ({ path, major: Number(major), minor: Number(minor), open: result(path) }),
  );
}

/** The GPUs whose nodes were passed into the container, which is what its configuration would say. */
export function recordedPassedGpus(recorded: RecordedContainer): number[] {
  return [...recorded.nodes.matchAll(/\bnvidia(\d+)\b/g)].map(([, minor]) => Number(minor));
}

/** What a recorded nvidia-smi run printed. */
export function recordedSmi(recorded: RecordedContainer, name: 'query' | 'mismatch-smi' | 'nolib-smi'): CommandFact {
  const { exit, stdout, stderr } = run(recorded, name);
  return { exitCode: exit, output: stdout + stderr };
}

/**
 * The recorded answers of cuInit and cuDeviceGetCount, as native/cuda-query prints them. The recordings hold no UUIDs of
 * CUDA's: they are those of the same container's nvidia-smi.
 */
export function recordedCuda(recorded: RecordedContainer, name: 'cuda' | 'mismatch-cuda' | 'nolib-cuda'): CommandFact {
  const { stdout } = run(recorded, name);
  const missing = /^dlopen (.*)$/m.exec(stdout)?.[1];
  if (missing !== undefined) return { exitCode: 1, output: `not loaded ${missing}\n` };
  const [, code, count] = /^cuInit (\d+) cuDeviceGetCount \d+ count (-?\d+)$/m.exec(stdout) ?? [];
  if (code !== '0') return { exitCode: 1, output: `driver 13000\nfailed cuInit ${code}\n` };
  const uuids = [...recordedSmi(recorded, 'query').output.matchAll(/GPU-[0-9a-f-]+/g)].map(([uuid]) => uuid);
  if (uuids.length !== Number(count)) throw new Error(`container ${recorded.container}: CUDA counts ${count} GPUs`);
  return { exitCode: 0, output: cudaQuery(uuids) };
}

/** True when the recorded CUDA probe worked. */
export function cudaWorked(recorded: RecordedContainer): boolean {
  return run(recorded, 'cuda').exit === 0;
}
