import type { CommandFact, GuestDeviceNode } from '../../../src/facts/facts.ts';
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

/** True when the recorded CUDA probe worked. */
export function cudaWorked(recorded: RecordedContainer): boolean {
  return run(recorded, 'cuda').exit === 0;
}
