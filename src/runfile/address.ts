import type { RunfileAddress } from '../desired/desired.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';

const NVIDIA = 'https://us.download.nvidia.com';

/** `NVIDIA-Linux-x86_64-580.159.04.run` */
export function runfileName(version: DriverVersion, architecture: Architecture): string {
  return `NVIDIA-Linux-${architecture}-${version}.run`;
}

/**
 * Where a version's runfile may be, in the order to try. NVIDIA keeps two trees that differ: some versions are only in
 * the data centre tree, others only in the first one (docs/facts.md, B).
 */
export function runfileAddresses(
  address: RunfileAddress,
  version: DriverVersion,
  architecture: Architecture,
): string[] {
  if (address.kind === 'template') {
    return [address.url.replaceAll('{version}', version).replaceAll('{arch}', architecture)];
  }
  const name = runfileName(version, architecture);
  const tree = architecture === 'x86_64' ? 'Linux-x86_64' : architecture;
  return [`${NVIDIA}/XFree86/${tree}/${version}/${name}`, `${NVIDIA}/tesla/${version}/${name}`];
}

/** The checksum in a `.sha256sum` file (`<hex>  <name>`), or null when the text isn't one. */
export function parseSha256Sum(text: string): string | null {
  return /^([0-9a-fA-F]{64})(?:\s|$)/.exec(text.trimStart())?.[1]?.toLowerCase() ?? null;
}
