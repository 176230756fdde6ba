import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FIXTURES = join(import.meta.dirname, '../../fixtures');

/** A file below test/fixtures. */
export function fixture(path: string): Buffer {
  return readFileSync(join(FIXTURES, path));
}

export function fixtureText(path: string): string {
  return fixture(path).toString('utf8');
}

/** A case of nvidia/h100-580.159.04/cases.json. */
export interface RecordedCase {
  case: string;
  command: string;
  exit: number;
  innerExits: number[];
  stdout: string;
  stderr: string;
}

/** A container of nvidia/lxc-2xh100-580.159.04/containers.json. */
export interface RecordedContainer {
  container: string;
  kind: 'privileged' | 'unprivileged';
  deviceCgroup: string;
  nodes: string;
  what: string;
  runs: { run: string; command: string; exit: number; stdout: string; stderr: string }[];
}

export function recordedCases(): RecordedCase[] {
  return JSON.parse(fixtureText('nvidia/h100-580.159.04/cases.json'));
}

export function recordedCase(name: string): RecordedCase {
  const found = recordedCases().find((candidate) => candidate.case === name);
  if (found === undefined) throw new Error(`no recorded case ${name}`);
  return found;
}

export function recordedContainers(): RecordedContainer[] {
  return JSON.parse(fixtureText('nvidia/lxc-2xh100-580.159.04/containers.json'));
}
