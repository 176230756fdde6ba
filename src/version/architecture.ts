/** A machine's architecture as `uname -m` prints it; the two that NVIDIA ships Linux drivers for. */
export type Architecture = 'x86_64' | 'aarch64';

/** True for an architecture this action knows addresses for. */
export function isArchitecture(text: string): text is Architecture {
  return text === 'x86_64' || text === 'aarch64';
}

/** NVIDIA's name of the architecture in the CUDA repository: ARM servers are `sbsa`. */
export function cudaRepositoryArchitecture(architecture: Architecture): 'x86_64' | 'sbsa' {
  return architecture === 'aarch64' ? 'sbsa' : 'x86_64';
}

/** Debian's name of the architecture, which libnvidia-container's repository uses. */
export function debianArchitecture(architecture: Architecture): 'amd64' | 'arm64' {
  return architecture === 'aarch64' ? 'arm64' : 'amd64';
}
