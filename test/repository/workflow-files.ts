import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

export const ROOT = join(import.meta.dirname, '..', '..');

export const text = (path: string) => readFile(join(ROOT, path), 'utf8');

export interface Step {
  id?: string;
  if?: string;
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
  env?: Record<string, unknown>;
  'continue-on-error'?: boolean;
}

export interface Job {
  name?: string;
  needs?: string | string[];
  if?: string;
  uses?: string;
  'runs-on'?: string | string[];
  environment?: string;
  permissions?: Record<string, string>;
  outputs?: Record<string, string>;
  strategy?: { 'fail-fast'?: boolean; 'max-parallel'?: number; matrix: Record<string, string> };
  concurrency?: { group: string; 'cancel-in-progress': boolean; queue?: string };
  steps?: Step[];
}

export interface Workflow {
  on: {
    workflow_call?: { inputs?: Record<string, { default?: unknown }>; outputs?: Record<string, { value: string }> };
  };
  permissions?: Record<string, string>;
  jobs: Record<string, Job>;
}

export interface Manifest {
  inputs: Record<string, { default?: string }>;
  outputs: Record<string, unknown>;
  runs: { main: string; post?: string };
}

export const EXAMPLE = 'examples/infrastructure-repository/';

/** Every workflow of the repository and of its examples, by path. */
export async function workflowPaths(): Promise<string[]> {
  const folders = ['.github/workflows/', `${EXAMPLE}.github/workflows/`];
  const lists = folders.map(async (folder) => (await readdir(join(ROOT, folder))).map((name) => folder + name));
  return (await Promise.all(lists)).flat();
}

export const readWorkflow = async (path: string): Promise<Workflow> => parse(await text(path)) as Workflow;
export const readManifest = async (path: string): Promise<Manifest> => parse(await text(path)) as Manifest;
