import { run } from './command.ts';

/** One line's worth of a sources.list, release left open: `uri`, the suite's suffix after the codename, components. */
export interface MirrorSuite {
  readonly uri: string;
  readonly suffix: string; // '' | '-updates' | '-security'
  readonly components: readonly string[];
}

/**
 * The Debian mirror this machine's own apt uses, read from `apt-get indextargets`, so that containers of any Debian
 * release use the same one. Empty where the machine isn't Debian: debootstrap's default mirror is used then.
 */
export function machineMirror(): Promise<MirrorSuite[]> {
  mirror ??= readMirror();
  return mirror;
}

let mirror: Promise<MirrorSuite[]> | undefined;

async function readMirror(): Promise<MirrorSuite[]> {
  const format = '$(CREATED_BY)|$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(COMPONENT)';
  const targets = await run(['apt-get', 'indextargets', '--format', format]);
  const suites = new Map<string, { uri: string; suffix: string; components: Set<string> }>();
  for (const line of targets.stdout.split('\n')) {
    const [createdBy, origin, uri, release, codename, component] = line.split('|');
    if (createdBy !== 'Packages' || origin !== 'Debian' || !uri || !release || !codename || !component) continue;
    const name = codename.replace(/-.*/, '');
    if (!release.startsWith(name)) continue; // named by suite ("stable"): can't be carried to another release
    const suffix = release.slice(name.length);
    if (!['', '-updates', '-security'].includes(suffix)) continue;
    const suite = suites.get(uri + suffix) ?? { uri, suffix, components: new Set<string>() };
    suite.components.add(component);
    suites.set(uri + suffix, suite);
  }
  return [...suites.values()].map((suite) => ({ ...suite, components: [...suite.components].sort() }));
}

/** apt settings that say how this machine reaches its mirror; a container needs the same to reach it. */
const CARRIED = ['Acquire::http::Proxy', 'Acquire::https::Proxy', 'Acquire::Check-Valid-Until', 'Acquire::Check-Date'];

export function machineAptSettings(): Promise<string> {
  aptSettings ??= readAptSettings();
  return aptSettings;
}

let aptSettings: Promise<string> | undefined;

async function readAptSettings(): Promise<string> {
  const dump = await run(['apt-config', 'dump', '--format', '%f %v%n', ...CARRIED]);
  return dump.stdout
    .split('\n')
    .map((line) => /^(\S+) (\S+)$/.exec(line))
    .filter((match) => match !== null)
    .filter((match) => CARRIED.some((name) => match[1] === name))
    .map((match) => `${match[1]} "${match[2]}";\n`)
    .join('');
}
