import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as z from 'zod/mini';
import { StateFile } from '../../../src/system/state-file.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const Thing = z.object({ name: z.string() });

it('keeps a value of a schema, and forgets it', async () => {
  const file = new StateFile(join(temporaryDirectory(), 'not/made/yet/thing.json'), Thing);
  expect(await file.read()).toBeNull();
  await file.write({ name: 'a' });
  expect(await file.read()).toEqual({ name: 'a' });
  await file.remove();
  expect(await file.read()).toBeNull();
});

it('is no file where there is something else, a link or what is too large included', async () => {
  const directory = temporaryDirectory();
  const at = (name: string) => new StateFile(join(directory, name), Thing);
  await at('real').write({ name: 'a' });
  symlinkSync(join(directory, 'real'), join(directory, 'link'));
  mkdirSync(join(directory, 'directory'));
  writeFileSync(join(directory, 'other'), '{"other":1}');
  writeFileSync(join(directory, 'large'), `{"name":"${'x'.repeat(5 * 1024 * 1024)}"}`);
  await expect(at('link').read()).rejects.toThrow('ELOOP');
  await expect(at('directory').read()).rejects.toThrow('EISDIR');
  await expect(at('other').read()).rejects.toThrow();
  await expect(at('large').read()).rejects.toThrow('bytes');
});
