import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Unanswered } from '../../.github/actions/rollout/errors.ts';
import { checkNewest, OWN_PATH } from '../../.github/actions/rollout/superseded.ts';
import { branch, file, run as runAnswer } from './github-answers.ts';
import { ROOT } from './workflow-files.ts';

const RUN = 'OWNER/infrastructure/actions/runs/1';
const MINE = 'a'.repeat(40);
const HEAD = 'd'.repeat(40);
const PIN = `OWNER/proxmox-lxc-nvidia/.github/workflows/rollout.yml@${'0'.repeat(40)}`;
const NESTED = '.github/workflows/nested.yml';
const COMMIT = { repository: 'OWNER/infrastructure', sha: MINE, ref: 'refs/heads/main', files: ['gpu-hosts.json'] };

/** GitHub with a newer commit that changes these files, and what it says of the run. */
function gitHub(answer: unknown, changes: string[], head = HEAD) {
  const asked: string[] = [];
  const github = async (url: string) => {
    const path = url.replace('/repos/OWNER/infrastructure/', '');
    asked.push(path);
    if (path === 'branches/main') return branch('main', head);
    if (path === 'actions/runs/1') return answer;
    const [, name = '', sha] = /^contents\/(.*)\?ref=(.*)$/.exec(path) ?? [];
    if (!name.endsWith('.json') && !name.endsWith('.yml')) throw new Unanswered(404, `${path} answers 404.`, '');
    return file(name, changes.includes(name) && sha === head ? 'b'.repeat(40) : 'c'.repeat(40));
  };
  return { github, asked };
}

const check = (answer: unknown, changes: string[] = []) => checkNewest(gitHub(answer, changes).github, RUN, COMMIT);

describe('workflows that are called on the way', () => {
  test.each([
    ['by a branch', `OWNER/infrastructure/${NESTED}@refs/heads/main`],
    ["by a branch's short name", `OWNER/infrastructure/${NESTED}@main`],
    ['by a branch with a strange name', `OWNER/infrastructure/${NESTED}@a/b@c`],
    ['by a commit', `OWNER/infrastructure/${NESTED}@${MINE}`],
    ['by nothing', `OWNER/infrastructure/${NESTED}`],
    ['in other letters', `owner/Infrastructure/${NESTED}@main`],
    ['without the repository', `${NESTED}@main`],
    ['as they are written', `./${NESTED}`],
  ])('%s are compared', async (_, path) => {
    await check(runAnswer([path, PIN]));
    await expect(check(runAnswer([path, PIN]), [NESTED])).rejects.toMatchObject({
      code: 'SUPERSEDED',
      message: expect.stringContaining(`is dddddddddddd, and ${NESTED} is another there.`),
    });
  });

  test('and lie in another repository are pinned by those that call them', async () => {
    const other = `OWNER/infrastructure-2/${NESTED}@main`;
    await check(runAnswer([other, PIN]), [NESTED]);
  });

  test('are not asked for while the commit is the newest', async () => {
    const { github, asked } = gitHub(null, [], MINE);
    await checkNewest(github, RUN, COMMIT);
    expect(asked).toEqual(['branches/main']);
  });

  test.each([
    ['nothing', null],
    ['a text', 'x'],
    ['no list', {}],
    ['null for the list', { referenced_workflows: null }],
    ['another kind of list', { referenced_workflows: { path: PIN } }],
    ['an empty list', runAnswer([])],
    ['a list that lacks this very workflow', runAnswer([`OWNER/infrastructure/${NESTED}@main`])],
    ['an entry without path', { referenced_workflows: [{ sha: MINE }, { path: PIN }] }],
    ['an entry that is null', { referenced_workflows: [null, { path: PIN }] }],
    ['a path of another form', runAnswer(['nested.yml', PIN])],
    ['a path with a line break', runAnswer([`OWNER/infrastructure/${NESTED}\n@main`, PIN])],
  ])('refuse where GitHub answers with %s', async (_, answer) => {
    await expect(check(answer)).rejects.toMatchObject({
      code: 'SUPERSEDED',
      message: expect.stringContaining('start this workflow by hand on main'),
    });
  });

  test('refuse where GitHub answers with an error', async () => {
    const { github } = gitHub(null, []);
    const broken = async (path: string) => {
      if (path.endsWith('/runs/1')) throw new Unanswered(403, `${path} answers 403.`, '');
      return github(path);
    };
    await expect(checkNewest(broken, RUN, COMMIT)).rejects.toThrow('403');
  });

  test('are known to be listed by the one that is this repository’s', () => {
    expect(existsSync(join(ROOT, OWN_PATH))).toBe(true);
  });
});
