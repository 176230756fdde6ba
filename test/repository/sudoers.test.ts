import { expect, test } from 'vitest';
import { sudoersFile } from '../../scripts/sudoers.ts';

test.each(['fence', 'open'] as const)('the rules in docs (%s) are those of the list of calls', async (form) => {
  const { current, wanted, path } = await sudoersFile(form);
  expect(current, `${path}: node scripts/sudoers.ts`).toBe(wanted);
});
