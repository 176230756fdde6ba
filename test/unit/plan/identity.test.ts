import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ContainerPlan } from '../../../src/plan/actions.ts';
import { containerDigest, type Identified, planDigest } from '../../../src/plan/identity.ts';
import { makePlan } from '../../../src/plan/plan.ts';
import { bareGuest, containerFacts, desired, facts, GIB } from '../helpers/facts.ts';
import { BARE_PART, identified } from '../helpers/plans.ts';

const PLAN = identified();

const action = <K extends string>(plan: ContainerPlan, kind: K) => {
  const found = plan.actions.find((candidate) => candidate.kind === kind);
  if (found?.kind !== kind) throw new Error(`no ${kind}`);
  return found as Extract<ContainerPlan['actions'][number], { kind: K }>;
};

describe('planDigest', () => {
  it('is the sha256 that it was when plans were first approved', () => {
    // A change of this value makes every plan that was approved before worthless: only with a new major format version.
    const tiny: Identified = { ...PLAN, containers: [{ ...BARE_PART, actions: [], warnings: [] }] };
    expect(planDigest(tiny)).toBe('sha256:e39088fbc423ecbcda83b6d8f1ede39e4bf65bec6386fb059073bb5d0172b4c9');
  });

  it('stays the same in any order of input, with any volatile noise', () => {
    const original = planDigest(PLAN);
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.boolean(), (text, number, backwards) => {
        const plan = identified();
        if (backwards) plan.containers.reverse();
        for (const part of plan.containers) {
          part.warnings.push({ code: 'LITTLE_MEMORY', message: text });
          for (const each of part.actions) each.reason = text;
          const driver = action(part, 'install-driver');
          driver.runfile.size = number;
          driver.runfile.url = `https://mirror.example/${number}.run`;
          driver.directory = '/root';
          if (part.safety.kind === 'none') part.safety.why = text;
          if (backwards) {
            const apt = action(part, 'configure-apt');
            apt.keys.reverse();
            apt.before.reverse();
            for (const each of part.actions) if (each.kind === 'install-packages') each.packages.reverse();
          }
        }
        expect(planDigest(plan)).toBe(original);
        const shuffled = JSON.parse(JSON.stringify(plan), (_key, value: unknown) =>
          value !== null && typeof value === 'object' && !Array.isArray(value)
            ? Object.fromEntries(Object.entries(value).reverse())
            : value,
        ) as Identified;
        expect(planDigest(shuffled)).toBe(original);
      }),
    );
  });

  it('does not depend on free space or memory', () => {
    const guest = bareGuest();
    const later = { ...guest, space: guest.space.map((space) => ({ ...space, freeBytes: 39 * GIB })) };
    const container = containerFacts({ memoryMib: 16_384 }, later);
    const part = makePlan(desired(), facts({ container }));
    expect(containerDigest(part)).toBe(containerDigest(BARE_PART));
  });

  it.each<[string, (plan: Identified) => void]>([
    ['host', (plan) => (plan.host.node = 'pve2')],
    ['host driver', (plan) => (plan.host.driver = '580.142')],
    ['architecture', (plan) => (plan.host.architecture = 'aarch64')],
    ['action version', (plan) => (plan.action = '0.1.1')],
    ['format', (plan) => (plan.schema = '2.0')],
    ['toolkit', (plan) => (plan.wish.cuda = '12.9')],
    ['set of packages', (plan) => (plan.wish.cudaPackages = ['cuda-nvcc'])],
    ['no toolkit', (plan) => (plan.wish.cuda = null)],
    ['container packages', (plan) => (plan.wish.nvidiaContainer = 'toolkit')],
    ['verification', (plan) => (plan.wish.verify = 'driver')],
    ['rollback', (plan) => (plan.wish.rollback = 'never')],
    ['selection, smaller', (plan) => plan.containers.pop()],
    ['selection, other', (plan) => ((plan.containers[1] as ContainerPlan).ctid = 903)],
    ...(
      [
        ['distribution', (part) => (part.found.distribution = 'debian 13')],
        ['user space', (part) => (part.found.userSpace = '550.78')],
        ['safety', (part) => (part.safety = { kind: 'none', why: 'none is wanted' })],
        ['an action less', (part) => part.actions.pop()],
        ['driver version', (part) => (action(part, 'install-driver').version = '580.142')],
        ['runfile bytes', (part) => (action(part, 'install-driver').runfile.sha256 = 'cd'.repeat(32))],
        ['installer flags', (part) => action(part, 'install-driver').flags.push('--no-opengl-files')],
        [
          'package version',
          (part) => ((action(part, 'install-packages').packages[0] ?? { version: '' }).version = '9'),
        ],
        ['one package more', (part) => action(part, 'install-packages').packages.push({ name: 'x', version: null })],
        [
          'version of what comes along',
          (part) =>
            action(part, 'install-packages').dependencies.push({ name: 'cuda-nvcc-12-8', version: '12.8.93-2' }),
        ],
        [
          'repository key',
          (part) => ((action(part, 'configure-apt').keys[0] ?? { fingerprints: [] }).fingerprints = ['AB']),
        ],
        [
          "a keyring's bytes, whatever keys it is said to hold",
          (part) => {
            const { before, keys } = action(part, 'configure-apt');
            const keyring = before.find(({ path }) => path === keys[0]?.path);
            if (keyring?.kind === 'write') keyring.content = Buffer.from('other bytes').toString('base64');
          },
        ],
        ['sources', (part) => action(part, 'configure-apt').after.push({ kind: 'put-aside', path: '/etc/apt/x.list' })],
        [
          "a file's content",
          (part) => {
            for (const change of action(part, 'configure-apt').after)
              if (change.kind === 'write') change.content += 'AA';
          },
        ],
        ['certificates', (part) => (action(part, 'configure-apt').installCertificates = false)],
        [
          'removed package',
          (part) => part.actions.push({ kind: 'remove-packages', reason: '', packages: ['libcuda1'] }),
        ],
      ] satisfies [string, (part: ContainerPlan) => unknown][]
    ).map(
      ([what, change]) =>
        [what, (plan: Identified) => void change(plan.containers[1] as ContainerPlan)] as [
          string,
          (plan: Identified) => void,
        ],
    ),
  ])('is another with another %s', (_what, change) => {
    const plan = identified();
    change(plan);
    expect(planDigest(plan)).not.toBe(planDigest(PLAN));
  });
});
