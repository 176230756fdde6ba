import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { approvers, type Reviews, reviewsOf } from '../../.github/actions/rollout/approved.ts';
import { openGate } from '../../.github/actions/rollout/gate.ts';
import type { ContainerPlan } from '../../src/plan/actions.ts';
import { containerIdentity, type Identified, type Identity, planDigest } from '../../src/plan/identity.ts';
import { RUNNER_LIMITS } from '../../src/system/limits.ts';
import { identified } from '../unit/helpers/plans.ts';
import { review } from './github-answers.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gate-'));
});
afterEach(() => rm(folder, { recursive: true }));

type Change = (plan: Identified) => void;

/** A host's artifact as its job leaves it. */
async function host(name: string, change: Change = () => {}, file: (plan: object) => object = (plan) => plan) {
  const plan = identified();
  plan.host.node = name;
  change(plan);
  const digest = planDigest(plan);
  const artifact = join(folder, `nvidia-plan-${name}`);
  await mkdir(artifact);
  const record = { host: name, status: 'success', result: 'planned', failureReason: '', digest };
  await writeFile(join(artifact, 'record.json'), JSON.stringify(record));
  await writeFile(join(artifact, 'plan.json'), JSON.stringify(file({ ...plan, digest })));
  return { name, inputs: { containers: '901-902' } };
}

const texts = (tree: Identity): string[] =>
  Object.entries(tree).flatMap(([name, value]) => [name, ...(typeof value === 'string' ? [value] : texts(value))]);
const readable = (markdown: string) =>
  markdown.replace(/<[^>]*>/g, '\n').replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
const driverOf = ({ actions }: ContainerPlan) => {
  for (const action of actions) if (action.kind === 'install-driver') return action;
  throw new Error('no driver');
};

describe('what the approvers of a rollout see', () => {
  test('is all that the digests cover, in folds, what is the same once', async () => {
    const { summary } = await openGate([await host('pve1'), await host('pve2')], folder);
    for (const part of identified().containers) {
      for (const text of texts(containerIdentity(part))) expect(readable(summary)).toContain(text);
    }
    expect(summary.match(/<details>/g)).toHaveLength(3);
    expect(summary).not.toContain('<details open');
    expect(readable(summary)).toContain('pve1 901–902; pve2 901–902');
    expect(summary).not.toContain('⚠️');
  });

  test('begins with what differs between hosts, and is not NVIDIA’s', async () => {
    const change: Change = (plan) => {
      for (const part of plan.containers) driverOf(part).runfile.sha256 = 'ee'.repeat(32);
    };
    const { summary } = await openGate([await host('pve1'), await host('pve2', change)], folder);
    expect(readable(summary)).toMatch(
      /^## Plans\n\n\n⚠️ The runfile of driver \S+ \(x86_64\) is not the same everywhere/,
    );
    expect(summary.indexOf('⚠️')).toBeLessThan(summary.indexOf('| Host |'));
  });

  test('is text, whatever a host writes into its plan', async () => {
    const hostile = '</code></table></details>\n\n# x\n<img src=x onerror=alert(1)> [a](https://evil.example) @team';
    const change: Change = (plan) => {
      for (const part of plan.containers) {
        part.found.userSpace = hostile;
        driverOf(part).version = hostile;
        driverOf(part).runfile.url = hostile;
        part.actions.push({ kind: 'remove-packages', reason: '', packages: [hostile] });
      }
    };
    const { summary } = await openGate([await host('pve1', change)], folder);
    const tags = new Set([...summary.matchAll(/<\/?([a-z0-9]+)[^>]*>/g)].map(([, tag]) => tag));
    expect([...tags].sort()).toEqual(['b', 'code', 'details', 'p', 'pre', 'summary', 'table', 'td', 'th', 'tr']);
    expect(summary).not.toContain('](');
    expect(summary).not.toContain('@team');
    expect(summary.match(/^#.*$/gm)).toEqual(['## Plans']);
  });

  test.each([
    ['files go first', 400, 4000, 'There is no room here for the texts of the files'],
    ['then whole parts, which are named', 2000, 0, 'what the digest covers of'],
  ])('is kept to what the runner takes: %s', async (_, containers, fileSize, words) => {
    const change: Change = (plan) => {
      const [part] = plan.containers as [ContainerPlan];
      plan.containers = Array.from({ length: fileSize > 0 ? 50 : containers }, (_, index) => {
        const one = structuredClone({ ...part, ctid: 1000 + index });
        one.found.userSpace = `550.${index}`;
        if (fileSize > 0) {
          const content = Buffer.from(`x${index}\n`.repeat(fileSize)).toString('base64');
          for (const action of one.actions)
            if (action.kind === 'configure-apt') action.after.push({ kind: 'write', path: '/etc/apt/x', content });
        }
        return one;
      });
    };
    const { summary } = await openGate([await host('pve1', change)], folder);
    expect(Buffer.byteLength(summary)).toBeLessThanOrEqual(RUNNER_LIMITS.summaryBytes);
    expect(readable(summary)).toContain(words);
    expect(readable(summary)).toContain('plan.json in the artifact');
    expect(summary.split('<details>')).toHaveLength(summary.split('</details>').length);
  });

  test.each<[string, (plan: object) => object, string]>([
    ['other content than its digest', (plan) => ({ ...plan, containers: [] }), "doesn't have the digest that it names"],
    ['no content', (plan) => ({ digest: (plan as { digest: string }).digest }), 'different digests'],
    ['nothing', () => [], 'different digests'],
  ])('is refused with %s', async (_, file, message) => {
    await expect(openGate([await host('pve1', undefined, file)], folder)).rejects.toThrow(message);
  });
});

describe('reviews', () => {
  const history =
    (...reviews: ReturnType<typeof review>[]) =>
    async () =>
      reviews;
  const none: Reviews = { attempt: 2, approved: {}, rejected: 0 };
  const run = 'o/r/actions/runs/1';

  test('counted in another attempt say nothing about this one', async () => {
    const github = history(review('gpu-canary', 'approved'));
    await expect(approvers(github, run, 'gpu-canary', { ...none, attempt: 1 }, 2)).rejects.toThrow('Re-run all jobs');
    expect(await approvers(github, run, 'gpu-canary', none, 2)).toEqual(['alice']);
  });

  test.each([false, true])(
    'are told apart whichever way GitHub orders them (newest first: %s)',
    async (newestFirst) => {
      const before = [review('gpu-canary', 'approved', 'alice'), review('gpu-canary', 'rejected', 'bob')];
      const counted = await reviewsOf(history(...before), run, 2, 'gpu-canary');
      const after = (one: ReturnType<typeof review>) => history(...(newestFirst ? [one, ...before] : [...before, one]));
      const ask = (one: ReturnType<typeof review>) => approvers(after(one), run, 'gpu-canary', counted, 2);
      expect(await ask(review('gpu-canary', 'approved', 'carol'))).toEqual(['carol']);
      expect(await ask(review('gpu-canary', 'approved', 'alice'))).toEqual(['alice']);
      await expect(ask(review('gpu-canary', 'rejected', 'carol'))).rejects.toThrow('was rejected in this attempt');
      await expect(ask(review('gpu-fleet', 'approved', 'carol'))).rejects.toThrow('Nobody was asked');
    },
  );

  test('of this attempt that approve and reject are a rejection', async () => {
    const github = history(review('gpu-canary', 'approved'), review('gpu-canary', 'rejected'));
    await expect(approvers(github, run, 'gpu-canary', none, 2)).rejects.toThrow('was rejected');
  });
});
