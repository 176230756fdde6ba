import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Action, ContainerPlan } from '../../../src/plan/actions.ts';
import { containerIdentity, type Identity } from '../../../src/plan/identity.ts';
import { escaped } from '../../../src/report/html.ts';
import { containerIdentityBlocks, identityTable } from '../../../src/report/identity.ts';
import { renderSummary } from '../../../src/report/summary.ts';
import { anyText } from '../helpers/any-text.ts';
import { BARE_PART } from '../helpers/plans.ts';
import { containerPlan, containerResult, runResult } from '../helpers/results.ts';

/** Every text in a tree: names of branches and leaves, and what leaves hold. */
function texts(tree: Identity): string[] {
  return Object.entries(tree).flatMap(([name, value]) => [
    name,
    ...(typeof value === 'string' ? [value] : texts(value)),
  ]);
}

const readable = (html: string) =>
  html.replace(/<[^>]*>/g, '\n').replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => {
    return { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }[name as 'amp'];
  });

const shown = (part: ContainerPlan) => readable(containerIdentityBlocks(part, escaped).join('\n\n'));

/** One of every kind of action; a new kind doesn't compile until it is here. */
const EVERY_KIND: { [kind in Action['kind']]: Action & { kind: kind } } = {
  'configure-apt': {
    kind: 'configure-apt',
    reason: '',
    before: [
      {
        kind: 'write',
        path: '/etc/apt/preferences.d/x',
        content: Buffer.from('Package: libcuda1\n\n').toString('base64'),
      },
      { kind: 'put-aside', path: '/etc/apt/sources.list.d/old.list' },
      { kind: 'write', path: '/usr/share/keyrings/x.gpg', content: Buffer.from([0x99, 0, 1, 0xff]).toString('base64') },
    ],
    installCertificates: true,
    after: [],
    keys: [{ path: '/usr/share/keyrings/x.gpg', fingerprints: ['EB693B3035CD5710E231E123A4B469963BF863CC'] }],
  },
  'remove-packages': { kind: 'remove-packages', reason: '', packages: ['libcuda1:amd64'] },
  'install-packages': {
    kind: 'install-packages',
    reason: '',
    purpose: 'toolkit',
    packages: [{ name: 'cuda-toolkit-12-8', version: '12.8.1-1' }],
    dependencies: [{ name: 'cuda-nvcc-12-8', version: null }],
    size: null,
    update: true,
  },
  'install-driver': {
    kind: 'install-driver',
    reason: '',
    version: '580.159.04',
    runfile: { url: 'https://us.download.nvidia.com/x.run', sha256: 'ab'.repeat(32), size: 1 },
    directory: '/var/tmp',
    flags: ['--silent'],
  },
  'configure-passthrough': {
    kind: 'configure-passthrough',
    reason: '',
    entries: [{ key: 'dev3', path: '/dev/nvidia0', value: '/dev/nvidia0,mode=0666' }],
  },
  restart: { kind: 'restart', reason: '' },
};

describe('what approvers see', () => {
  it.each([
    ['the plan of a bare container', BARE_PART],
    ['a plan with every kind of action', containerPlan({ actions: Object.values(EVERY_KIND) })],
    ['a plan with nothing to do', containerPlan()],
    ...Object.entries(EVERY_KIND).map(([kind, action]): [string, ContainerPlan] => [
      kind,
      containerPlan({ actions: [action] }),
    ]),
  ])('has everything that the digest covers: %s', (_, part) => {
    const page = shown(part);
    for (const text of texts(containerIdentity(part))) expect(page).toContain(text);
    const summary = readable(
      renderSummary(runResult({ status: 'planned', containers: [containerResult({ status: 'planned', plan: part })] })),
    );
    for (const text of texts(containerIdentity(part))) expect(summary).toContain(text);
  });

  it('has everything of any tree, and no markup of it', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    const { tree } = fc.letrec<{ tree: Identity; leaf: string }>((tie) => ({
      leaf: fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), anyText),
      tree: fc.dictionary(name, fc.oneof({ depthSize: 'small', maxDepth: 3 }, tie('leaf'), tie('tree')), {
        maxKeys: 5,
      }),
    }));
    fc.assert(
      fc.property(tree, (identity) => {
        const page = identityTable(identity, escaped);
        expect(page).not.toMatch(/\n\s*\n/);
        expect(page.replace(/<\/?(table|tr|td|th|code)>/g, '')).not.toMatch(/[<>]/);
        for (const text of texts(identity)) {
          if (/^[\p{L}\p{N}\p{P}\p{S}]+$/u.test(text) && !/[\p{Default_Ignorable_Code_Point}\u2800]/u.test(text)) {
            expect(readable(page)).toContain(text);
          }
        }
      }),
      { numRuns: 50 },
    );
  }, 60_000);

  it('makes visible what would not be seen', () => {
    const seen = (value: string) => identityTable({ version: value }, escaped);
    expect(seen('12.8\u200b')).toContain('12.8\\u{200b}');
    expect(seen('a\n\nb')).toContain('a\\u{a}\\u{a}b');
    expect(seen('\u202e1')).not.toContain('\u202e');
    expect(seen('a\u3164b\u2800c\ufe0fd\u00a0e')).toContain('a\\u{3164}b\\u{2800}c\\u{fe0f}d\\u{a0}e');
    expect(seen(' a  b\tc ')).toContain('<code>\\u{20}a \\u{20}b\\u{9}c\\u{20}</code>');
    const [one, two] = ['1', '2'].map((end) => seen(`${'x'.repeat(20_000)}${end}`));
    expect(one).not.toBe(two);
    expect(one?.length).toBeLessThan(17_000);
  });

  it('has files as text, bytes by their checksum, and the address of the runfile', () => {
    const page = containerIdentityBlocks(containerPlan({ actions: Object.values(EVERY_KIND) }), escaped).join('\n\n');
    expect(page).toContain('<pre>Package: libcuda1</pre>');
    expect(page).toContain('<code>/usr/share/keyrings/x.gpg</code>: 4 B, sha256 ');
    expect(page.match(/<pre>/g)).toHaveLength(1);
    expect(page).toContain('comes from <code>https://us.download.nvidia.com/x.run</code>');
  });

  it("shows no password of a container's own mirror, and the checksum of the bytes with it", () => {
    const text = 'deb https://user:s3cr3t@mirror.example/ stable main\n';
    const part = containerPlan({
      actions: [
        {
          ...EVERY_KIND['configure-apt'],
          before: [{ kind: 'write', path: '/etc/apt/sources.list', content: Buffer.from(text).toString('base64') }],
        },
      ],
    });
    const page = containerIdentityBlocks(part, escaped).join('\n\n');
    expect(page).toContain('<pre>deb https://***@mirror.example/ stable main</pre>');
    expect(page).toContain(createHash('sha256').update(text).digest('hex'));
    expect(page).not.toContain('s3cr3t');
  });

  it('is in a fold of the summary that says what it is', () => {
    const plan = containerPlan({ actions: Object.values(EVERY_KIND) });
    const run = runResult({ status: 'planned', containers: [containerResult({ status: 'planned', plan })] });
    expect(renderSummary(run)).toContain('<details><summary>All that an approval of <b>901</b> covers</summary>');
    const short = renderSummary(run, 3000);
    expect(short).not.toContain('All that an approval');
    expect(short).toContain('There is no room here for all that an approval covers: plan.json has it.');
  });
});
