/**
 * An NVIDIA driver version exactly as NVIDIA writes it, e.g. `580.159.04` or `580.142`. It stays a string: two- and
 * three-part versions both exist and zeros matter (`430.09` is not `430.9`).
 */
export type DriverVersion = string;

const PATTERN = /^\d{3,4}\.\d{1,4}(?:\.\d{1,4})?$/;

/** True for the text of an exact driver version. */
export function isDriverVersion(text: string): text is DriverVersion {
  return PATTERN.test(text);
}

/** The numbers of a version: `580.159.04` → `[580, 159, 4]`; a two-part version gets a third part 0. */
function parts(version: DriverVersion): [number, number, number] {
  const [a = 0, b = 0, c = 0] = version.split('.').map(Number);
  return [a, b, c];
}

/** Orders versions by their numbers: negative when `a` is older. `580.142` and `580.142.00` order as equal. */
export function compareDriverVersions(a: DriverVersion, b: DriverVersion): number {
  const [left, right] = [parts(a), parts(b)];
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

/** True when `version` is `minimum` or newer. */
export function atLeast(version: DriverVersion, minimum: DriverVersion): boolean {
  return compareDriverVersions(version, minimum) >= 0;
}

/**
 * The version that a runfile's or a library's file name carries, or null: `NVIDIA-Linux-x86_64-550.78.run` and
 * `libcuda.so.550.78` → `550.78`; `libnvidia-container.so.1.17.8` → null.
 */
export function versionInFileName(name: string): DriverVersion | null {
  return /(?:-|\.so\.)(\d{3,4}\.\d{1,4}(?:\.\d{1,4})?)(?!\.?\d)/.exec(name)?.[1] ?? null;
}
