/**
 * Obtains a runfile, unpacked, in a process of its own, whose bytes and memory the kernel counts (not those of the program that
 * decompresses):
 * `node obtain-runfile.ts URL SHA256 DIRECTORY TIMES`. Its last line says what it took, as JSON.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchiveStore } from '../../../src/runfile/archive-store.ts';
import { RunfileCache } from '../../../src/runfile/cache.ts';
import { KnownRunfiles } from '../../../src/runfile/known-runfiles.ts';
import { obtainArchive } from '../../../src/runfile/runfile.ts';
import { runCommand } from '../../../src/system/command.ts';
import { createHttp } from '../../../src/system/http.ts';
import { RecordingLog } from './log.ts';

const [url = '', sha256 = '', directory = '', times = '1'] = process.argv.slice(2);
process.env['RUNNER_TOOL_CACHE'] = join(directory, 'tools');
process.env['RUNNER_TEMP'] = join(directory, 'temp');

/** Bytes that this process has asked the kernel to read and to write (proc(5), rchar and wchar): files and sockets. */
function transferred(): { read: number; written: number } {
  const counters = readFileSync('/proc/self/io', 'utf8');
  const counter = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(counters)?.[1]);
  return { read: counter('rchar'), written: counter('wchar') };
}

const cancelled = new AbortController().signal;
const world = {
  http: createHttp('unit test', async () => {}, cancelled),
  log: new RecordingLog(),
  run: runCommand,
  runName: '',
  cancelled,
};
const cache = new RunfileCache(process.env['RUNNER_TEMP']);
const archives = new ArchiveStore(join(directory, 'archive'));
const known = new KnownRunfiles(join(directory, 'archive', 'runfiles.json'));
const before = transferred();
for (let time = 0; time < Number(times); time++) {
  await using _archive = await obtainArchive(
    world,
    { cache, known, archives },
    { version: '580.159.04', url, sha256 },
    'x86_64',
    () => 60,
  );
}
const after = transferred();
// Not getrusage(2): its peak counts what the parent had before this program was loaded.
const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
console.log(
  JSON.stringify({
    read: after.read - before.read,
    written: after.written - before.written,
    memory: Number(peak) * 1024,
  }),
);
