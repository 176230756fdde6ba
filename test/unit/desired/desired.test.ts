import { describe, expect, it } from 'vitest';
import { desiredText } from '../../../src/desired/desired.ts';
import { desired } from '../helpers/facts.ts';

describe('desiredText', () => {
  it('says what was understood', () => {
    expect(desiredText(desired())).toBe('Wanted (apply): container 901 with driver as on the host, CUDA toolkit 12.8.');
  });

  it('names parts of a toolkit', () => {
    expect(desiredText(desired({ cudaPackages: ['cuda-nvcc', 'cuda-cudart-dev'] }))).toContain(
      'CUDA toolkit 12.8 (cuda-nvcc, cuda-cudart-dev).',
    );
  });

  it('names all containers and an exact driver', () => {
    const wish = desired({
      mode: 'plan',
      containers: { ctids: [901, 903], tags: ['gpu'], all: false },
      driver: { kind: 'exact', version: '580.159.04', source: '' },
      cuda: { kind: 'none' },
    });
    expect(desiredText(wish)).toBe(
      'Wanted (plan): containers 901, 903, tag:gpu with driver 580.159.04, no CUDA toolkit.',
    );
  });
});
