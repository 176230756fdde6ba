import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Option {
  /** Names as typed, `-s --silent`. */
  names: string[];
  /** Name of the argument in the help, when it takes one. */
  argument: string | undefined;
  /** First driver version that has it; undefined = all that the lab has. */
  since: string | undefined;
}

const parts = (version: string): number[] => version.split('.').map(Number);

/** Whether driver version `a` is at least `b`; versions have two or three parts. */
export function isAtLeast(a: string, b: string): boolean {
  const left = parts(a);
  const right = parts(b);
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function readOptions(version: string): Option[] {
  const text = readFileSync(join(import.meta.dirname, 'installer-options.txt'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('-'))
    .map((line) => {
      const [names = '', argument, since] = line.split('|').map((column) => column.trim());
      return { names: names.split(/\s+/), argument: argument || undefined, since: since || undefined };
    })
    .filter((option) => !option.since || isAtLeast(version, option.since));
}

/** The options of `version`, one a line: `names | argument`. */
export const optionTable = (version: string): string =>
  readOptions(version)
    .map(({ names, argument }) => `${names.join(' ')} | ${argument ?? ''}`)
    .join('\n');

/** Options that work but that the help doesn't name (aliases and deprecated ones). */
const HIDDEN = ['--no-kernel-module', '--kernel-module-only', '--no-runlevel-check'];

const COMMON = `  -v, --version
      Print the nvidia-installer version and exit.

  -h, --help
      Print usage information for the common commandline options and exit.

  -A, --advanced-options
      Print usage information for the common commandline options as well as the advanced options, and then exit.
`;

const stubOptions = (common: boolean): string => {
  const advanced = ['--lsm', '--pkg-history', '--list'];
  const later = [
    '--add-this-kernel',
    '--apply-patch [Patch]',
    '--keep',
    '--target [NewDirectory]',
    '--extract-decompress',
  ];
  const names = common
    ? ['--info', '--check', '-x, --extract-only']
    : ['--info', ...advanced, '--check', '-x, --extract-only', ...later];
  return names.map((name) => `${name}\n  (an option of the .run file itself)\n`).join('\n');
};

const intro = (version: string): string =>
  `This program will install the NVIDIA Accelerated Graphics Driver\nfor Linux-x86_64 ${version} by unpacking the ` +
  `embedded tarball and\nexecuting the ./nvidia-installer  installation utility.\n`;

const passedOn = 'The following arguments will be passed on to the ./nvidia-installer\nutility:\n';

/** The help of a driver version. Names and layout are the real one's; the explanations are left out. */
export function helpTexts(version: string): { common: string; advanced: string; stubAdvanced: string } {
  const advanced = readOptions(version)
    .map(({ names, argument }) => ({ names: names.filter((name) => !HIDDEN.includes(name)), argument }))
    .filter(({ names }) => names.length > 0)
    .map(({ names, argument }) => {
      const spelled = names.map((name) =>
        argument ? (name.startsWith('--') ? `${name}=${argument}` : `${name} ${argument}`) : name,
      );
      return `  ${spelled.join(', ')}\n      (see the README of the driver)\n`;
    })
    .join('\n');
  const sections = `COMMON OPTIONS:\n\n${COMMON}\n\nADVANCED OPTIONS:\n\n${advanced}`;
  const hint = "Below are the most common options; for a complete list use\n'--advanced-options'.\n";
  return {
    common: `${intro(version)}\n${hint}\n${stubOptions(true)}\n\n${passedOn}\n${COMMON}`,
    advanced: sections,
    stubAdvanced: `${intro(version)}\n${stubOptions(false)}\n\n${passedOn}\n${sections}`,
  };
}
