import { describe, expect, it } from 'vitest';
import { cudaRepositoryArchitecture, debianArchitecture, isArchitecture } from '../../../src/version/architecture.ts';

describe('architectures', () => {
  it.each([
    ['x86_64', 'x86_64', 'amd64'],
    ['aarch64', 'sbsa', 'arm64'],
  ] as const)('%s is %s for CUDA, %s for Debian', (machine, cuda, debian) => {
    expect(isArchitecture(machine)).toBe(true);
    expect(cudaRepositoryArchitecture(machine)).toBe(cuda);
    expect(debianArchitecture(machine)).toBe(debian);
  });

  it.each(['i686', 'armv7l', 'riscv64', 'X86_64', ''])('does not know %j', (machine) => {
    expect(isArchitecture(machine)).toBe(false);
  });
});
