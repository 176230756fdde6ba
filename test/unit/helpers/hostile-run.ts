/**
 * The memory that 256 containers cost which answer the most they may, in the kind named by the first argument: observed
 * twice, kept, reported. A program of its own, started by test/unit/memory.test.ts; prints the most it took in KiB.
 */
import { writeFile } from 'node:fs/promises';
import { parseProbe } from '../../../src/facts/guest.ts';
import { renderOutputs } from '../../../src/report/outputs.ts';
import { jsonParts } from '../../../src/report/report.ts';
import { renderSummary } from '../../../src/report/summary.ts';
import { CONTAINER_LIMITS, share } from '../../../src/system/limits.ts';
import { parseSmiQuery } from '../../../src/verify/nvidia-smi.ts';
import { containerFacts, hostFacts } from './facts.ts';
import { containerResult, runResult } from './results.ts';

const COUNT = 256;
const LIMIT = share(CONTAINER_LIMITS.probeBytes, CONTAINER_LIMITS.allProbeBytes, COUNT) - 1000;

const base64 = (byte: number, part: number) => Buffer.alloc(Math.floor(LIMIT * part), byte).toString('base64');
const lines = (line: string) => line.repeat(Math.floor(LIMIT / Math.max(line.length, 64)));

const ANSWERS: Record<string, () => string> = {
  packages: () => lines('package\t\ta\t1\tx\n'),
  // JSON has six characters for each.
  'control characters': () => `smi-query\t0\t${base64(1, 0.36)}\nsmi-table\t0\t${base64(1, 0.36)}\n`,
  // Two bytes in memory for each.
  'no UTF-8': () => `apt-source\t/etc/apt/sources.list\t${base64(0xff, 0.36)}\nsmi-table\t0\t${base64(0xff, 0.36)}\n`,
  GPUs: () => `smi-query\t0\t${Buffer.from('1, GPU-, , , \n'.repeat(Math.floor(LIMIT / 20))).toString('base64')}\n`,
};

const kept: object[] = [];
const containers = [];
for (let index = 0; index < COUNT; index++) {
  const answer = ANSWERS[process.argv[2] ?? ''];
  if (answer === undefined) throw new Error(`no such kind: ${process.argv[2]}`);
  for (const again of [false, true]) {
    const guest = parseProbe(`${answer()}end\n`);
    if (guest === null) throw new Error('no facts');
    if (!again) continue;
    const gpus = parseSmiQuery(guest.nvidiaSmi.query?.output ?? '');
    kept.push(containerFacts({}, guest));
    containers.push(containerResult({ ctid: 1000 + index, gpus, nvidiaSmi: guest.nvidiaSmi.table?.output ?? '' }));
  }
}
const result = runResult({ containers });
renderOutputs(result, { plan: '', facts: '', report: '' });
renderSummary(result);
for (const document of [result, { host: hostFacts(), containers: kept }])
  await writeFile('/dev/null', jsonParts(document));
process.stdout.write(`${process.resourceUsage().maxRSS}\n`);
