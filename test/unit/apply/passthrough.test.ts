import { describe, expect, it } from 'vitest';
import { configurePassthrough, takeBackPassthrough } from '../../../src/apply/passthrough.ts';
import { restart } from '../../../src/apply/restart.ts';
import { parseContainerConfig, passthroughOf } from '../../../src/proxmox/config.ts';
import { applyContext } from '../helpers/apply.ts';
import { type Answer, FakeHost } from '../helpers/commands.ts';
import { failureOf } from '../helpers/failure.ts';
import { pctOf } from '../helpers/pct.ts';

/** A context whose host answers `pct` with what the function gives. */
function managing(answer: (argv: readonly string[]) => Answer = () => ({})) {
  const host = new FakeHost(
    () => ({}),
    ({ argv }) => answer(argv),
  );
  const commands = () => host.raw.map(({ argv }) => argv.slice(1).join(' '));
  const { context } = applyContext(() => ({}));
  return { context: { ...context, pct: pctOf(host.run) }, commands };
}

const entry = (key: string, path: string) => ({ key, path, value: `${path},mode=0666` });

describe('configurePassthrough', () => {
  const action = {
    kind: 'configure-passthrough' as const,
    reason: 'x',
    entries: [entry('dev1', '/dev/nvidiactl'), entry('dev4', '/dev/nvidia-uvm')],
  };

  it('adds all entries in one call', async () => {
    const { context, commands } = managing();
    await configurePassthrough(context, action);
    expect(commands()).toEqual(['set 901 --dev1 /dev/nvidiactl,mode=0666 --dev4 /dev/nvidia-uvm,mode=0666']);
  });

  it('fails when pct does', async () => {
    const { context } = managing(() => ({ exitCode: 2, stderr: 'Device /dev/nvidia-uvm does not exist\n' }));
    const failure = await failureOf(() => configurePassthrough(context, action));
    expect(failure.code).toBe('PASSTHROUGH_FAILED');
    expect(failure.details).toContain('does not exist');
  });
});

describe('takeBackPassthrough', () => {
  const takeBack = async (config: string, ...entries: { key: string; path: string }[]) => {
    const { context, commands } = managing();
    const passthrough = passthroughOf(parseContainerConfig(config));
    await takeBackPassthrough(context.pct, { ctid: 901, passthrough }, entries);
    return commands();
  };

  it('deletes what was added, in effect or pending', async () => {
    const config =
      'dev0: /dev/nvidia0\ndev1: /dev/nvidiactl,mode=0666\n\n[pve:pending]\ndev2: mode=0666,path=/dev/nvidia-uvm\n';
    expect(await takeBack(config, entry('dev1', '/dev/nvidiactl'), entry('dev2', '/dev/nvidia-uvm'))).toEqual([
      'set 901 --delete dev1,dev2',
    ]);
  });

  it.each([
    ['was never added', 'dev0: /dev/nvidia0\n'],
    ['somebody made another one meanwhile', 'dev1: /dev/nvidia7\n'],
    ['is in a snapshot only', '[before]\ndev1: /dev/nvidiactl\n'],
    ['is deleted at the next start already', 'dev1: /dev/nvidiactl\n[pve:pending]\ndelete: dev1\n'],
  ])('leaves alone what %s', async (_what, config) => {
    expect(await takeBack(config, entry('dev1', '/dev/nvidiactl'))).toEqual([]);
  });
});

describe('restart', () => {
  it('shuts down cleanly, then starts', async () => {
    const { context, commands } = managing();
    await restart(context);
    expect(commands()).toEqual(['shutdown 901 --timeout 120', 'start 901']);
  });

  it.each(['shutdown', 'start'])('fails when %s does', async (failing) => {
    const { context, commands } = managing((argv) => (argv[1] === failing ? { exitCode: 255, stderr: 'no' } : {}));
    const failure = await failureOf(() => restart(context));
    expect(failure.code).toBe('RESTART_FAILED');
    expect(failure.message).toContain(`pct ${failing} 901`);
    expect(commands().at(-1)).toContain(failing);
  });
});
