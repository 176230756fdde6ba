import { describe, expect, it } from 'vitest';
import { details } from '../../../src/report/container-details.ts';
import { failures } from '../../../src/report/failures.ts';
import { gpusTable } from '../../../src/report/gpus.ts';
import { containersTable, levelsLegend, warnings } from '../../../src/report/overview.ts';
import { timeline } from '../../../src/report/timeline.ts';
import { DRIVER, GPU0, GPU1, hostFacts, hostHealth } from '../helpers/facts.ts';
import { containerResult, runResult } from '../helpers/results.ts';
import { SAMPLES } from '../helpers/sample-results.ts';

/** The cells of a table's rows. */
function rows(html: string): string[][] {
  return [...html.matchAll(/<tr>(.*)<\/tr>/g)].map(([, row = '']) =>
    [...row.matchAll(/<t[hd]>(.*?)<\/t[hd]>/g)].map(([, cell = '']) => cell),
  );
}

describe('containersTable', () => {
  it('has the host above its containers, and marks whoever differs from it', () => {
    expect(rows(containersTable(SAMPLES.failed))).toEqual([
      ['Container', 'Result', 'Driver', 'CUDA toolkits', 'L1', 'L2', 'L3', 'L4', 'L5', 'Time'],
      ['host <b>pve1</b>', '', `<b>${DRIVER}</b> (open kernel module)`, '', '', '', '', '', '', ''],
      [
        ...['<b>901</b> ollama', '✅ changed', `550.163.01 → <b>${DRIVER}</b>`, '12.6 → <b>12.6, 12.8</b>'],
        ...['✅', '✅', '✅', '✅', '✅', '4 min 47 s'],
      ],
      ['<b>902</b> comfyui', '✅ in order', DRIVER, '12.8', '✅', '✅', '✅', '✅', '✅', '0.7 s'],
      ['<b>903</b> vllm', '❌ failed, rolled back', '⚠️ 550.163.01', '12.6', '–', '–', '–', '–', '–', '1 min 36 s'],
      ['<b>904</b> jupyter', '⏹️ not started', '⚠️ 550.163.01', 'none', '–', '–', '–', '–', '–', '0.7 s'],
    ]);
  });

  it('knows containers that could not be looked into, and hosts without a driver', () => {
    const container = containerResult({ before: null, after: null, hostname: null, verifications: [] });
    const table = rows(containersTable(runResult({ host: hostFacts({ driver: null }), containers: [container] })));
    expect(table.slice(1)).toEqual([
      ['host <b>pve1</b>', '', '–', '', ''],
      ['<b>901</b>', '✅ in order', '–', '–', '1.2 s'],
    ]);
  });

  it('says what its marks stand for', () => {
    expect(levelsLegend(SAMPLES.changed)).toBe(
      '<p><sub><b>L1</b> user space equals the kernel module · <b>L2</b> nvidia-smi sees the GPUs · <b>L3</b> CUDA sees the GPUs · <b>L4</b> nvcc is the wanted toolkit · <b>L5</b> a kernel compiled there computes right</sub></p>',
    );
    expect(levelsLegend(runResult({ containers: [] }))).toBe('');
  });
});

it('warnings are told once', () => {
  const finding = { code: 'GPU_ISOLATION', message: 'One <too> many.' } as const;
  const containers = [containerResult({ findings: [finding] }), containerResult({ ctid: 902, findings: [finding] })];
  expect(warnings(runResult({ containers }))).toBe('<p>⚠️ One &lt;too&gt; many. (<code>GPU_ISOLATION</code>)</p>');
});

const HEALTHY = '0 processes, persistence on, ECC errors 0 (0 ever)';

describe('gpusTable', () => {
  it('shows some of the GPUs that only containers tell of, and counts the rest', () => {
    const [gpu] = containerResult().gpus;
    if (gpu === undefined) throw new Error('no GPU');
    const gpus = Array.from({ length: 256 }, (_, index) => ({ ...gpu, uuid: `GPU-${index}` }));
    const html = gpusTable(
      runResult({ containers: [containerResult({ gpus }), containerResult({ ctid: 902, gpus })] }),
    );
    expect(rows(html).filter(([node]) => node === 'unknown to the host')).toHaveLength(64);
    expect(rows(html).at(-1)).toContain('901, 902');
    expect(html).toContain('192 more GPUs');
  });

  it('tells who sees which GPU', () => {
    expect(rows(gpusTable(SAMPLES.changed)).slice(1)).toEqual([
      ['/dev/nvidia0', 'NVIDIA H100 80GB HBM3', '81559 MiB', `<code>${GPU0}</code>`, '902, 904', HEALTHY],
      ['/dev/nvidia1', 'NVIDIA H100 80GB HBM3', '81559 MiB', `<code>${GPU1}</code>`, '901, 903', HEALTHY],
    ]);
  });

  it('tells how the GPUs do, and of errors in the kernel log', () => {
    const gpus = (hostHealth().gpus ?? []).map((gpu) => ({ ...gpu, processes: 1 }));
    const health = hostHealth({ gpus, xids: [{ bus: '0000:00:06', code: 31 }] });
    const table = gpusTable(runResult({ host: hostFacts({ health }) }));
    expect(table).toContain('1 process, persistence ');
    expect(table).toContain('ECC errors 0 (0 ever)');
    const odd = gpus.map((gpu) => ({ ...gpu, computeMode: 'Exclusive_Process', mig: true }));
    const other = gpusTable(runResult({ host: hostFacts({ health: hostHealth({ gpus: odd }) }) }));
    expect(other).toContain('<b>compute mode Exclusive_Process</b>, <b>MIG on</b>');
    expect(table).not.toMatch(/compute mode|MIG/);
    expect(table).toContain("1 Xid in the host's kernel log");
    const silent = gpusTable(runResult({ host: hostFacts({ health: hostHealth({ gpus: null, xids: null }) }) }));
    expect(silent).not.toContain('Xid');
    expect(silent).toContain('<td>–</td>');
  });

  it('knows GPUs without UUID, and ones that the host does not know', () => {
    const gpus = hostFacts().gpus.map((gpu) => ({ ...gpu, uuid: null, minor: null }));
    const table = rows(gpusTable(runResult({ host: hostFacts({ gpus }) }))).slice(1);
    expect(table.map(([node, , , uuid, seen]) => [node, uuid, seen])).toEqual([
      ['–', '<code>not known yet</code>', '–'],
      ['–', '<code>not known yet</code>', '–'],
      ['unknown to the host', `<code>${GPU0}</code>`, '901'],
    ]);
    expect(gpusTable(runResult({ host: null, containers: [] }))).toBe('');
  });
});

describe('failures', () => {
  const failure = { code: 'APT_FAILED', seen: 'It failed.', remedy: 'Do it.' } as const;
  const lines = Array.from({ length: 20 }, (_, index) => `E: ${index}`);

  it('tell what was seen, what to do, and the last lines; a fold has all', () => {
    const details = lines.join('\n');
    const containers = [containerResult({ status: 'failed', failure: { ...failure, details } })];
    const html = failures(runResult({ status: 'failed', containers }), true);
    expect(html).toContain('<p>❌ <b>It failed.</b><br>➡️ Do it. (<code>APT_FAILED</code>)</p>');
    expect(html).toContain(`<pre>${lines.slice(-8).join('\n')}</pre>`);
    expect(html).toContain(
      `<details><summary>All lines that were kept</summary>\n\n<pre>${details}</pre>\n\n</details>`,
    );
    expect(failures(runResult({ containers }), false)).not.toContain('<details>');
  });

  it('that are the same are told once, the run’s own first', () => {
    const containers = [901, 902, 903].map((ctid) =>
      containerResult({ ctid, failure: { ...failure, details: ctid === 902 ? 'other' : 'same' } }),
    );
    const html = failures(runResult({ failure: { ...failure, seen: 'The run.' }, containers }), true);
    expect([...html.matchAll(/❌ <b>(.*?)<br>/g)].map(([, text]) => text)).toEqual([
      'The run.</b>',
      'It failed.</b> (the same in containers 903)',
      'It failed.</b>',
    ]);
  });
});

describe('timeline', () => {
  it('is a chart of seconds from the start, with a table of the same', () => {
    const text = timeline(SAMPLES.failed);
    const [, chart = ''] = /```mermaid\n([\s\S]*?)\n```/.exec(text) ?? [];
    expect(chart.split('\n')).toEqual([
      'gantt',
      '  dateFormat x',
      '  axisFormat %s s',
      '  section 901 ollama',
      '  driver files 34.7 s :done, 2100, 36800',
      '  repositories 6.3 s :done, 36800, 43100',
      '  packages 19.1 s :done, 43100, 62200',
      '  driver 48.6 s :done, 62200, 110800',
      '  toolkit 2 min 51 s :done, 110800, 282200',
      '  section 903 vllm',
      '  driver files 0.1 s :done, 289300, 289400',
      '  repositories 6.3 s :done, 289400, 295700',
      '  packages 19.1 s :done, 295700, 314800',
      '  driver 48.6 s :crit, 314800, 363400',
    ]);
    expect(rows(text)).toEqual([
      ['Container', 'driver files', 'repositories', 'packages', 'driver', 'toolkit', 'everything else', 'Sum'],
      ['<b>901</b> ollama', '34.7 s', '6.3 s', '19.1 s', '48.6 s', '2 min 51 s', '6.9 s', '<b>4 min 47 s</b>'],
      ['<b>903</b> vllm', '0.1 s', '6.3 s', '19.1 s', '❌ 48.6 s', '–', '22.1 s', '<b>1 min 36 s</b>'],
    ]);
  });

  it('is not there when nothing was begun', () => {
    expect(timeline(SAMPLES.converged)).toBe('');
    expect(timeline(SAMPLES.plan)).toBe('');
  });

  it('shows the slowest containers of many, in their order', () => {
    const [slow] = SAMPLES.changed.containers;
    if (slow === undefined) throw new Error('no sample');
    const containers = Array.from({ length: 60 }, (_, index) => ({ ...slow, ctid: 1000 + index, seconds: index % 30 }));
    const text = timeline(runResult({ containers }));
    const sections = [...text.matchAll(/section (\d+)/g)].map(([, ctid]) => Number(ctid));
    expect(sections).toEqual(
      [...Array(10).keys()].map((i) => 1020 + i).concat([...Array(10).keys()].map((i) => 1050 + i)),
    );
    expect(text.length).toBeLessThan(50_000);
  });
});

describe('details', () => {
  it('have steps with reasons, proofs with what was seen, and outputs, in a fold', () => {
    const [container] = SAMPLES.changed.containers;
    if (container === undefined) throw new Error('no sample');
    const html = details(container, true);
    expect(html.startsWith('<details><summary>✅ <b>901</b> ollama: steps, proofs and outputs</summary>\n\n')).toBe(
      true,
    );
    expect(rows(html)).toContainEqual([
      '✅',
      'install cuda-toolkit-12-8=12.8.1-1 (3.1 GiB to download, 6.4 GiB on disk)',
      'not installed: cuda-toolkit-12-8',
      '2 min 51 s',
    ]);
    expect(rows(html)).toContainEqual(['✅', 'L2 nvidia-smi sees the GPUs', '1 GPU, as meant']);
    expect(html).toContain('goes back to a snapshot');
    expect(html).toContain('| NVIDIA-SMI 580.159.04');
    expect(details(container, false)).not.toContain('NVIDIA-SMI');
  });

  it('show how far a container came', () => {
    const failed = SAMPLES.failed.containers[2];
    if (failed === undefined) throw new Error('no sample');
    expect(rows(details(failed, true)).map(([mark, , , took]) => [mark, took])).toEqual([
      ['', 'Took'],
      ['✅', '6.3 s'],
      ['✅', '19.1 s'],
      ['❌', '48.6 s'],
      ['⏹️', '–'],
    ]);
  });

  it('are nothing where there is nothing to tell', () => {
    expect(details(containerResult({ verifications: [], nvidiaSmi: '', nvcc: '' }), true)).toBe('');
  });
});
