import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** What a host's job leaves for the jobs after it. It comes from the host: believe nothing of it that matters. */
export interface HostRecord {
  host: string;
  /** The job's status: `success`, `failure` or `cancelled`. */
  status: string;
  /** The action's output `result`; empty when it didn't run. */
  result: string;
  failureReason: string;
  digest: string;
}

/** Writes the record and copies of `files` into a fresh folder, to be uploaded whole. */
export async function writeRecord(folder: string, record: HostRecord, files: string[]): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const file of files.filter(existsSync)) await copyFile(file, join(folder, basename(file)));
  await writeFile(join(folder, 'record.json'), `${JSON.stringify(record, null, 2)}\n`);
}

/** The record of an artifact; null when there is none, or when it isn't one of this host. */
export async function readRecord(folder: string, artifact: string, host: string): Promise<HostRecord | null> {
  const text = await readFile(join(folder, artifact, 'record.json'), 'utf8').catch(() => null);
  if (text === null) return null;
  let record: Partial<HostRecord> | null;
  try {
    record = JSON.parse(text);
  } catch {
    return null;
  }
  if (record?.host !== host) return null;
  const field = (value: unknown) => (typeof value === 'string' ? value.slice(0, 200) : '');
  return {
    host,
    status: field(record.status),
    result: field(record.result),
    failureReason: field(record.failureReason),
    digest: field(record.digest),
  };
}
