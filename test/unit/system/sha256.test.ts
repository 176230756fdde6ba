import { expect, it } from 'vitest';
import { sha256Of } from '../../../src/system/sha256.ts';

it('is what sha256sum says of bytes, and of the UTF-8 of a text (FIPS 180-4)', () => {
  expect(sha256Of('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(sha256Of(Buffer.from('616263', 'hex'))).toBe(sha256Of('abc'));
  expect(sha256Of('é')).toBe(sha256Of(Buffer.from('c3a9', 'hex')));
});
