import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { printEndlessly } from '../lab/hostile/container-endless-output.ts';
import { answerFalsely, answerWithoutEnd } from '../lab/hostile/container-forged-answer.ts';
import { summaryPage } from '../lab/page.ts';
import type { ActionResult } from '../lab/runner.ts';
import { Scenario } from './scenario.ts';

/*
 * What a container prints is data. Everything hostile here holds the word "pwned": where it reaches the runner's command
 * channel, or the page as more than text, it is found by that.
 */

const HOSTILE = Buffer.concat([
  Buffer.from(
    [
      '::set-output name=result::pwned',
      '   ::add-mask::pwned',
      '::stop-commands::pwned',
      '::error file=pwned,line=1::pwned',
      '##[error]pwned',
      'text before ##[add-mask]pwned',
      'a carriage return\r::error::pwned\r\r::warning::pwned',
      '\u2028::error::pwned\u2029::error::pwned\u0085::error::pwned\v::error::pwned\f::error::pwned',
      '\x1b[31mred\x1b[0m \x1b]8;;https://pwned.example\x07link\x1b]8;;\x07 \x1b[2J\x1b[1A\x9b31m',
      '\u202epwned backwards\u202c \u200bzero\ufeffwidth',
      '</pre></td></table></details><script>alert("pwned")</script><img src=x onerror="pwned()">',
      '# pwned **bold** [link](javascript:pwned) ![image](https://pwned.example/x.png) <!-- pwned',
      '| a | b |\n|---|---|\n| pwned | `x` |\n\n```\n~~~\n\n<table><tr><td>pwned',
      'EOF\nresult=pwned\nresult<<x\npwned\nx\nghadelimiter_pwned',
      '%0A::error::pwned %25 %0D',
    ].join('\n'),
  ),
  // Not UTF-8, and bytes of zero.
  Buffer.from([0x0a, 0xff, 0xfe, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x00, 0x00, 0x0a]),
  Buffer.from('::error::pwned at the end, without line feed'),
]);

/** One line as it may stand in a field. */
const WORD = '::error::pwned</td><script>pwned</script>|`**##[error]pwned\\e[31m';

/** 50 MB without a line feed. */
const LONG_LINE = 'head -c 12000000 /dev/zero | tr "\\0" "x"';

const HOSTILE_FILE = '/var/lib/hostile';

let scenario: Scenario;
let temporary: string;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: '580.159.04' });
  temporary = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-hostile-'));
  const measure = `process.on('exit', () =>
    require('node:fs').appendFileSync(process.env.MAX_RSS_FILE, process.resourceUsage().maxRSS + '\\n'));`;
  await writeFile(join(temporary, 'measure.cjs'), measure);
});
afterAll(async () => {
  await scenario?.end();
  await rm(temporary, { recursive: true, force: true });
});

/** A program that stands before the real one, or in its place, and prints what is hostile first. */
async function disguise(container: Container, path: string, then: string): Promise<void> {
  await container.writeFile(HOSTILE_FILE, HOSTILE);
  const program = `#!/bin/sh\ncat ${HOSTILE_FILE}\ncat ${HOSTILE_FILE} >&2\necho; echo >&2\n${then}\n`;
  await container.writeFile(path, program, '0755');
}

/** Runs the action; it must end in reasonable time and memory. */
async function run(container: Container, inputs: Record<string, string> = {}, exitCode = 0): Promise<ActionResult> {
  const result = await runAll([container], inputs, exitCode);
  expect(result.durationMs).toBeLessThan(60_000);
  return result;
}

/** Runs the action on several containers; it must end in reasonable memory. */
async function runAll(
  containers: readonly Container[],
  inputs: Record<string, string>,
  exitCode = 0,
): Promise<ActionResult> {
  const ctids = containers.map(({ ctid }) => ctid).join(',');
  const file = join(temporary, `max-rss-${ctids}`);
  await rm(file, { force: true });
  const result = await scenario.run(
    { containers: ctids, 'cuda-version': '12.8', ...inputs },
    { exitCode, env: { NODE_OPTIONS: `--require ${join(temporary, 'measure.cjs')}`, MAX_RSS_FILE: file } },
  );
  // The step itself and its post step.
  const memory = (await readFile(file, 'utf8')).trim().split('\n').map(Number);
  expect(memory, 'KiB of memory').toHaveLength(2);
  expect(Math.max(...memory), 'KiB of memory').toBeLessThan(250 * 1024);
  return result;
}

/** The commands that reached the runner, debug messages left out, with the container's id as `<ctid>`. */
function commands(result: ActionResult, { ctid }: Container): string[] {
  return result.commands
    .filter(({ name, message }) => name !== 'debug' || message.includes('pwned'))
    .map(({ name, properties, message }) =>
      `${name} ${properties['title'] ?? ''} ${message}`.replaceAll(String(ctid), '<ctid>'),
    );
}

/** No part of the summary is anything but text, tables, folds and headings, closed as they were opened. */
function expectWholesomePage(summary: string): void {
  const controls = [...summary].filter((character) => character < ' ' && character !== '\n' && character !== '\t');
  expect(controls).toEqual([]);
  const body = summaryPage(summary)
    .replace(/^.*<\/style>/s, '')
    .replace('<code class="language-mermaid">', '<code>')
    .replace('</html>', '');
  const open: string[] = [];
  const allowed = /^(?:h[1-6]|p|b|br|code|pre|sub|table|tr|th|td|details|summary)$/;
  for (const [tag, end, name = ''] of body.matchAll(/<(\/?)([a-zA-Z!?][a-zA-Z0-9]*)[^>]*>/g)) {
    expect(tag).toMatch(/^<\/?[a-z0-9]+>$/);
    expect(name).toMatch(allowed);
    if (name === 'br') continue;
    if (end === '') open.push(name);
    else expect(open.pop(), `${tag} ends it`).toBe(name);
  }
  expect(open).toEqual([]);
}

/** What is said of a run beside the log can be read by those it is meant for. */
async function expectReadable({ outputs, summary, stdout }: ActionResult): Promise<void> {
  expectWholesomePage(summary);
  expect(Object.keys(outputs).sort()).toEqual([
    ...['changed', 'containers', 'cuda-version', 'driver-version', 'facts', 'failure-reason', 'gpus', 'nvcc'],
    ...['nvidia-smi', 'plan', 'plan-digest', 'report', 'result'],
  ]);
  expect(['changed', 'converged', 'planned', 'failed']).toContain(outputs['result']);
  for (const name of ['containers', 'gpus']) JSON.parse(outputs[name] ?? '');
  const files = [outputs['report'], outputs['plan']].filter((path) => path !== '');
  for (const path of files) JSON.parse(await readFile(path ?? '', 'utf8'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there.
  expect(stdout).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/);
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThan(10_000);
  expect(stdout.length).toBeLessThan(2_000_000);
}

const CUDA = '/usr/local/cuda-12.8/bin/nvcc';

test('programs that print what is hostile while everything else works: the same commands as of a harmless container', async () => {
  const harmless = await scenario.container();
  const container = await scenario.container();
  await disguise(
    container,
    '/usr/local/sbin/apt-get',
    `/usr/bin/apt-get "$@"; code=$?; case $* in *update) ${LONG_LINE} ;; esac; exit $code`,
  );
  await disguise(container, '/usr/local/sbin/nvidia-smi', '/usr/bin/nvidia-smi "$@"');
  const [harmlessResult, result] = await Promise.all([run(harmless), run(container)]);
  const expected = commands(harmlessResult, harmless);
  expect(expected.length).toBeGreaterThan(5);
  expect(result.outputs['result']).toBe('changed');
  expect(result.outputs['nvidia-smi']).toContain('pwned');
  expect(commands(result, container)).toEqual(expected);
  expect(commands(result.post as ActionResult, container)).toEqual([]);
  await expectReadable(result);

  // Converged now: nvcc, names of files, sources and the distribution's name follow.
  await container.execOk({ script: 'mv "$1" "$1.real"', args: [CUDA] });
  await disguise(container, CUDA, `exec ${CUDA}.real "$@"`);
  await container.execOk({
    script: `
      release=$(readlink -f /etc/os-release)
      sed -i "/^PRETTY_NAME/d" "$release" && printf 'PRETTY_NAME="%b"\\n' "$1" >> "$release"
      for directory in /usr/lib/x86_64-linux-gnu /usr/local /var/tmp /etc/apt/sources.list.d; do
        : > "$directory/$(printf 'libcuda.so.999.1\\n::error::pwned')"
        : > "$directory/$(printf 'libnvidia-ml.so.999.1\\r::error::pwned')"
        : > "$directory/$(printf '\\377\\376.list')"
      done
      mkdir -p "$(printf '/usr/local/cuda-9\\n::error::pwned/bin')" && cp /bin/true "$(printf '/usr/local/cuda-9\\n::error::pwned/bin/nvcc')"
      printf 'deb https://developer.download.nvidia.com/compute/cuda/%b ./\\n::error::pwned\\n' "$1" > /etc/apt/sources.list.d/nvidia.list`,
    args: [WORD],
  });
  const again = await run(container);
  expect(again.outputs['result']).toBe('changed');
  expect(again.outputs['nvcc']).toContain('pwned');
  expect(commands(again, container).join('\n')).not.toContain('pwned');
  await expectReadable(again);
});

test('programs that fail with what is hostile: told, as text', async () => {
  const container = await scenario.container();
  const driverOnly = { 'cuda-version': 'none', 'nvidia-container': 'none' };
  await run(container, driverOnly);
  const allowed = /^(?:group|endgroup|error|warning) /;

  const gpu = `0, GPU-${WORD}, ${WORD}, 580.159.04, ${WORD}, ${WORD}`;
  await disguise(container, '/usr/local/sbin/nvidia-smi', `printf '%b\\r::error::pwned\\n' '${gpu}'`);
  const foreign = await run(container, driverOnly, 1);
  expect(foreign.outputs['failure-reason']).toBe('VERIFY_GPU_MISSING');
  await disguise(container, '/usr/local/sbin/nvidia-smi', `${LONG_LINE}; exit 255`);
  const failing = await run(container, driverOnly, 1);
  expect(failing.outputs['failure-reason']).toBe('VERIFY_NVIDIA_SMI');
  for (const [result, code] of [
    [foreign, 'VERIFY_GPU_MISSING'],
    [failing, 'VERIFY_NVIDIA_SMI'],
  ] as const) {
    expect(commands(result, container).filter((command) => !allowed.test(command))).toEqual([]);
    expect(result.annotations.map(({ name, properties }) => [name, properties])).toEqual([['error', { title: code }]]);
    await expectReadable(result);
  }
});

test('a container that says it is something hostile is refused, as text', async () => {
  const container = await scenario.container();
  await container.execOk({
    script:
      'rm /etc/os-release && printf \'ID="%b"\\nVERSION_ID="%b"\\nPRETTY_NAME="%b"\\n\' "$1" "$1" "$1" > /etc/os-release',
    args: [WORD],
  });
  const result = await run(container, {}, 1);
  expect(result.outputs['failure-reason']).toBe('DISTRIBUTION_UNSUPPORTED');
  expect(result.annotations.map(({ properties }) => properties)).toEqual([{ title: 'DISTRIBUTION_UNSUPPORTED' }]);
  await expectReadable(result);
});

test('an installation that fails with a flood of words made to be searched for long: told in time', async () => {
  const container = await scenario.container();
  await disguise(
    container,
    '/usr/local/sbin/apt-get',
    'yes "Sub-process ERROR: E: Failed to fetch ::error::pwned" | head -c 12000000 | tr -d "\\n"; echo; yes "E: ::error::pwned" | head -n 100000; exit 100',
  );
  const result = await run(container, {}, 1);
  expect(result.outputs['failure-reason']).toBe('APT_FAILED');
  expect(result.annotations.map(({ properties }) => properties)).toEqual([{ title: 'APT_FAILED' }]);
  await expectReadable(result);
});

test('containers side by side that print without end: the good one is done, in little memory and with a log of some size', async () => {
  const [first, second, good] = [await scenario.container(), await scenario.container(), await scenario.container()];
  await printEndlessly(first);
  await printEndlessly(second);
  const driverOnly = { 'cuda-version': 'none', 'nvidia-container': 'library', 'max-parallel': '3' };
  const result = await runAll([first, second, good], driverOnly, 1);
  const states = JSON.parse(result.outputs['containers'] ?? '');
  expect(states[good.ctid].status).toBe('changed');
  for (const { ctid } of [first, second]) expect(states[ctid].failure).toBe('CONTAINER_OUTPUT_ENDLESS');
  expect(result.stdout).toMatch(/│ €{1960}… \(a line of 195000 bytes\)/);
  expect(result.stdout.length).toBeLessThan(12_000_000);
  const log = result.stdout.split('\n').filter((line) => line.startsWith(`${good.ctid} │`));
  expect(log.join('\n')).toContain('Configuring libnvidia-container1');
});

test('containers that forge what they answer: refused or ignored, and of no matter to the good one', async () => {
  const [endless, false_, good] = [await scenario.container(), await scenario.container(), await scenario.container()];
  await answerWithoutEnd(endless);
  await answerFalsely(false_);
  const facts = await runAll([endless, false_, good], { mode: 'facts' }, 1);
  expect(facts.annotations.map(({ properties }) => properties)).toEqual([{ title: 'PROBE_FAILED' }]);
  expect(facts.annotations[0]?.message).toContain(`Container ${endless.ctid} could not be observed`);
  expect(Object.values(facts.outputs).join('').length).toBeLessThan(10_000);
  const path = facts.outputs['facts'] ?? '';
  expect((await readFile(path, 'utf8')).length).toBeLessThan(100_000);
  const planned = await runAll([good], { mode: 'plan', facts: path });
  expect(planned.outputs['result']).toBe('planned');
});

test('user name, password and query of an address are nowhere to be read', async () => {
  const container = await scenario.container();
  const toolCache = join(temporary, 'tools');
  // So that there is something to download.
  await scenario.host.exec(['rm', '-rf', '/var/lib/proxmox-lxc-nvidia/root/archive']);
  const secret = 's3cr3t';
  const seen: string[] = [];
  const path = '/nvidia/{version}/NVIDIA-Linux-{arch}-{version}.run';
  for (const [address, mode, exitCode] of [
    [`https://${secret}:${secret}%40@mirror.lab.test${path}?signature=${secret}`, 'plan', 0],
    [`https://${secret}:${secret}%40@mirror.lab.test${path}?signature=${secret}`, 'apply', 0],
    [`https://${secret}:${secret}@mirror.lab.test/nowhere/x-580.159.04.run?signature=${secret}`, 'plan', 1],
    [`https://${secret}:${secret}@nowhere.lab.test.:bad/x-580.159.04.run`, 'plan', 1],
    [`http://${secret}:${secret}@mirror.lab.test/x-580.159.04.run`, 'plan', 1],
  ] as const) {
    const target = exitCode === 0 ? container : await scenario.container();
    const result = await scenario.run(
      {
        containers: `${target.ctid}`,
        'cuda-version': 'none',
        'nvidia-container': 'none',
        mode,
        'runfile-url': address,
      },
      { exitCode, env: { RUNNER_TOOL_CACHE: toolCache } },
    );
    const { stdout, stderr, outputs, summary, temp, state, post } = result;
    seen.push(stdout, stderr, JSON.stringify(outputs), summary, JSON.stringify(state), post?.stdout ?? '');
    seen.push(...(await textFiles(temp)), JSON.stringify(result.pctCalls));
  }
  seen.push(...(await textFiles(toolCache)));
  seen.push(await container.execOk({ script: 'cat /var/log/nvidia-installer.log; find / -xdev -name "*s3cr3t*"' }));
  expect(seen.length).toBeGreaterThan(30);
  for (const text of seen) expect(text).not.toContain(secret);
});

/** All small files below a directory. */
async function textFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith('.run'));
  return Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8')));
}
