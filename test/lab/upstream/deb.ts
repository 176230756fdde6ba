import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runOk } from '../command.ts';

/** Time stamp of everything in the lab's packages, so that the same sources give the same bytes. */
export const SOURCE_DATE_EPOCH = 1_735_689_600; // 2025-01-01

/** `none` is for hundreds of megabytes that travel over no network. */
const COMPRESSION = { gzip: ['-Zgzip', '-z1'], xz: ['-Zxz', '-z9'], none: ['-Znone'] } as const;

export type Content = string | Buffer | { symlink: string };

export interface DebPackage {
  name: string;
  version: string;
  architecture?: 'amd64' | 'all';
  /** First line of the description. */
  summary: string;
  depends?: readonly string[];
  recommends?: readonly string[];
  provides?: readonly string[];
  conflicts?: readonly string[];
  section?: string;
  /** Installed-Size in KiB of the real package: what apt announces. Default: what the files here take. */
  installedSize?: number;
  /** Absolute path in the target system → content. */
  files?: Readonly<Record<string, Content>>;
  /** Paths of `files` that are executable. */
  executable?: readonly string[];
  /** Files and directories of this machine: absolute path in the target system → path here. */
  copies?: Readonly<Record<string, string>>;
  /** Default `gzip`. */
  compression?: keyof typeof COMPRESSION;
  postinst?: string;
  prerm?: string;
  postrm?: string;
}

export const debFileName = (pkg: DebPackage): string =>
  `${pkg.name}_${pkg.version.replace(/^\d+:/, '')}_${pkg.architecture ?? 'amd64'}.deb`;

const list = (field: string, values: readonly string[] | undefined): string =>
  values?.length ? `${field}: ${values.join(', ')}\n` : '';

function controlFile(pkg: DebPackage): string {
  const bytes = Object.values(pkg.files ?? {}).reduce((sum, c) => sum + contentLength(c), 0);
  return (
    `Package: ${pkg.name}\nVersion: ${pkg.version}\nArchitecture: ${pkg.architecture ?? 'amd64'}\n` +
    `Maintainer: cudatools <cudatools@nvidia.com>\n` +
    `Installed-Size: ${pkg.installedSize ?? Math.ceil(bytes / 1024) + 4}\n` +
    list('Depends', pkg.depends) +
    list('Recommends', pkg.recommends) +
    list('Provides', pkg.provides) +
    list('Conflicts', pkg.conflicts) +
    `Section: ${pkg.section ?? 'multiverse/devel'}\nPriority: optional\n` +
    `Description: ${pkg.summary}\n Stand-in of the lab for the package of this name in NVIDIA's repository.\n`
  );
}

const contentLength = (content: Content): number =>
  typeof content === 'string' || Buffer.isBuffer(content) ? content.length : 0;

/** Builds the package into `outDir` and returns its file name. */
export async function buildDeb(pkg: DebPackage, outDir: string): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'lab-deb-'));
  try {
    await chmod(root, 0o755);
    const write = async (path: string, content: Content, mode: number) => {
      await mkdir(dirname(path), { recursive: true });
      if (typeof content === 'object' && 'symlink' in content) return symlink(content.symlink, path);
      await writeFile(path, content);
      await chmod(path, mode);
      return utimes(path, SOURCE_DATE_EPOCH, SOURCE_DATE_EPOCH);
    };
    const executable = new Set(pkg.executable);
    for (const [path, content] of Object.entries(pkg.files ?? {})) {
      await write(join(root, path), content, executable.has(path) ? 0o755 : 0o644);
    }
    for (const [path, source] of Object.entries(pkg.copies ?? {})) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await runOk(['cp', '-a', '--reflink=auto', source, join(root, path)]);
    }
    const debian = join(root, 'DEBIAN');
    await write(join(debian, 'control'), controlFile(pkg), 0o644);
    const configuration = Object.keys(pkg.files ?? {}).filter((path) => path.startsWith('/etc/'));
    if (configuration.length) await write(join(debian, 'conffiles'), `${configuration.join('\n')}\n`, 0o644);
    for (const script of ['postinst', 'prerm', 'postrm'] as const) {
      const body = pkg[script];
      if (body) await write(join(debian, script), `#!/bin/sh\nset -e\n${body}\nexit 0\n`, 0o755);
    }
    const file = debFileName(pkg);
    await runOk(
      [
        'dpkg-deb',
        '--root-owner-group',
        ...COMPRESSION[pkg.compression ?? 'gzip'],
        '--build',
        root,
        join(outDir, file),
      ],
      {
        env: { ...process.env, SOURCE_DATE_EPOCH: String(SOURCE_DATE_EPOCH) },
      },
    );
    return file;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
