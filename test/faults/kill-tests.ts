import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { killTree } from '../lab/action-process.ts';
import { runAction } from '../lab/runner.ts';
import { inputs, Prepared } from './prepared.ts';
import { randomNumbers, seedFromEnvironment } from './random.ts';
import { expectConverged, expectSafe, hostState, logOf } from './state.ts';

/**
 * `count` runs that are each killed by SIGKILL at a random time, followed by one clean run: nothing is lost. Half of them
 * lose the whole tree of processes, as when the runner or the host's memory ends; half the action's own process only, so
 * that a pct it has started goes on. Half have a post step.
 *
 * KILL_SEED repeats a sequence. Times are of this machine, so the same seed needn't hit the same instruction again.
 *
 * @param part of the sequence of kills, for files that run beside each other
 */
export function killTests(part: number, count: number): void {
  const seed = seedFromEnvironment();
  const random = randomNumbers(seed + part);
  let prepared: Prepared;
  /** Milliseconds of a run that nobody kills. */
  let whole = 0;

  beforeAll(async () => {
    console.log(`kill loop ${part}: KILL_SEED=${seed}, ${count} kills`);
    prepared = await Prepared.make();
    const container = await prepared.copy('btrfs');
    whole = (await prepared.scenario.run(inputs(container))).durationMs;
    await container.destroy();
  });
  afterAll(() => prepared?.scenario.end());

  describe(`kill -9 at a random time, KILL_SEED=${seed}`, () => {
    for (let number = 1; number <= count; number++) {
      const kill: Kill = {
        part: random(),
        storage: random() < 0.5 ? 'btrfs' : 'dir',
        tree: random() < 0.5,
        post: random() < 0.5,
      };
      const { storage, tree, post } = kill;
      const title = `${number}: at ${(kill.part * 100).toFixed(1)} % (${storage}, ${tree ? 'whole tree' : 'process only'}, ${post ? 'post step' : 'no post step'})`;
      test(title, () => runKill(prepared, kill, whole));
    }
  });
}

interface Kill {
  /** When, as a part of a whole run. */
  readonly part: number;
  readonly storage: 'btrfs' | 'dir';
  readonly tree: boolean;
  readonly post: boolean;
}

async function runKill(prepared: Prepared, { part, storage, tree, post }: Kill, whole: number): Promise<void> {
  const { scenario } = prepared;
  const container = await prepared.copy(storage);
  try {
    let timer: NodeJS.Timeout | undefined;
    const killed = await runAction(scenario.host, {
      inputs: { ...scenario.keys(), ...inputs(container) },
      ...(post ? {} : { action: await scenario.actionWithoutPost() }),
      onStart: (pid) => {
        timer = setTimeout(() => (tree ? killTree(pid) : process.kill(pid, 'SIGKILL')), part * whole);
      },
      onEnd: () => clearTimeout(timer),
    });
    if (post) await expectSafe(prepared, container, killed);
    else expect((await hostState(container)).busy).toBe(false);
    const next = await runAction(scenario.host, { inputs: { ...scenario.keys(), ...inputs(container) } });
    const log = `${logOf(killed)}\n\nnext run:\n${logOf(next)}`;
    expect(next.exitCode, log).toBe(0);
    await expectConverged(prepared, container, log);
  } finally {
    await container.destroy();
  }
}
