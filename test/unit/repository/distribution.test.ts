import { describe, expect, it } from 'vitest';
import { distributionOf, SUPPORTED_TEXT } from '../../../src/repository/distribution.ts';
import { guestFacts } from '../helpers/facts.ts';

const find = (id: string, version: string) => distributionOf(guestFacts({ distribution: { id, version, name: '' } }));

describe('distributionOf', () => {
  it.each([
    ['debian', '11', 'debian11', 'EB693B3035CD5710E231E123A4B469963BF863CC'],
    ['debian', '12', 'debian12', 'EB693B3035CD5710E231E123A4B469963BF863CC'],
    ['debian', '13', 'debian13', '02182E60104FCDC26EAE1B8597A5D4CB8793F200'],
    ['ubuntu', '22.04', 'ubuntu2204', 'EB693B3035CD5710E231E123A4B469963BF863CC'],
    ['ubuntu', '24.04', 'ubuntu2404', 'EB693B3035CD5710E231E123A4B469963BF863CC'],
    ['ubuntu', '26.04', 'ubuntu2604', '14BAFBC7562AD710CA04E69905FBB6DA60DF8A40'],
  ])('%s %s is %s, signed by %s', (id, version, cudaName, cudaKey) => {
    expect(find(id, version)).toEqual({ id, version, cudaName, cudaKey });
  });

  it.each([
    ['debian', '10'],
    ['debian', ''],
    ['debian', '14'],
    ['ubuntu', '23.10'],
    ['alpine', '12'],
    ['unknown', ''],
  ])('%s %s is not supported', (id, version) => {
    expect(find(id, version)).toBeNull();
  });

  it('has a text of what is', () => {
    expect(SUPPORTED_TEXT).toBe('Debian 11, 12, 13 and Ubuntu 20.04, 22.04, 24.04, 26.04');
  });
});
