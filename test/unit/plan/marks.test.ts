import { describe, expect, it } from 'vitest';
import type { Action, ContainerPlan } from '../../../src/plan/actions.ts';
import { marks } from '../../../src/plan/marks.ts';
import { SOURCES_PATH } from '../../../src/repository/apt-files.ts';
import { BARE_PART } from '../helpers/plans.ts';

type Change = (part: ContainerPlan) => void;

const plan = (host: string, ctids: number[], change: Change = () => {}, architecture = 'x86_64') => ({
  host,
  architecture,
  containers: ctids.map((ctid) => {
    const part = structuredClone({ ...BARE_PART, ctid });
    change(part);
    return part;
  }),
});

function action<K extends Action['kind']>(part: ContainerPlan, kind: K): Action & { kind: K } {
  const found = part.actions.find((one): one is Action & { kind: K } => one.kind === kind);
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('marks', () => {
  it('has none for hosts that all do the same with what is NVIDIA’s', () => {
    expect(marks([plan('pve1', [901, 902]), plan('pve2', [903])])).toEqual([]);
  });

  it('names a runfile that differs between hosts of one driver version, and where', () => {
    const other: Change = (part) => (action(part, 'install-driver').runfile.sha256 = 'ee'.repeat(32));
    const found = marks([plan('pve1', [901, 902, 903]), plan('pve2', [901], other)]);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(
      /^The runfile of driver 580\.159\.04 \(x86_64\) is not the same everywhere: sha256 [0-9a-f]{64} on pve1 901–903; sha256 e{64} on pve2 901\.$/,
    );
  });

  it('does not compare runfiles of different architectures or versions', () => {
    const other: Change = (part) => (action(part, 'install-driver').runfile.sha256 = 'ee'.repeat(32));
    expect(marks([plan('pve1', [901]), plan('pve2', [901], other, 'aarch64')])).toEqual([]);
    const older: Change = (part) => {
      other(part);
      action(part, 'install-driver').version = '550.163.01';
    };
    expect(marks([plan('pve1', [901]), plan('pve2', [901], older)])).toEqual([]);
  });

  it('names a keyring whose bytes differ though its fingerprints are the same', () => {
    const other: Change = (part) => {
      const apt = action(part, 'configure-apt');
      const path = apt.keys[0]?.path;
      for (const change of apt.before)
        if (change.path === path && change.kind === 'write') change.content = base64('x');
    };
    const found = marks([plan('pve1', [901]), plan('pve2', [902], other)]);
    expect(found.filter((mark) => mark.startsWith('The keyring'))).toHaveLength(1);
    expect(found[0]).toContain('on pve1 901; ');
    expect(found[0]).toMatch(/on pve2 902\.$/);
  });

  it('names a key that is not one of NVIDIA’s', () => {
    const key = 'AB'.repeat(20);
    const other: Change = (part) => {
      const [first] = action(part, 'configure-apt').keys;
      if (first !== undefined) first.fingerprints = [key];
    };
    expect(marks([plan('pve1', [901, 903], other)])).toEqual([
      expect.stringMatching(new RegExp(`^The key ${key} in \\S+ is not one of NVIDIA's known keys: pve1 901, 903\\.$`)),
    ]);
  });

  it.each([
    ['a mirror', 'https://mirror.example/cuda/'],
    ['a name that ends alike', 'https://developer.download.nvidia.com.evil.example/'],
    ['another name before it', 'https://evilnvidia.com/'],
    ['no encryption', 'http://developer.download.nvidia.com/'],
    ['another port', 'https://developer.download.nvidia.com:8443/'],
    ['another of NVIDIA’s servers', 'https://forums.nvidia.com/'],
    ['no address', 'file:/srv/cuda'],
  ])('names an address of a source that is %s', (_, address) => {
    const other: Change = (part) => {
      action(part, 'configure-apt').after.push({
        kind: 'write',
        path: SOURCES_PATH,
        content: base64(`Types: deb\nURIs: ${address}\nSuites: /\n`),
      });
    };
    expect(marks([plan('pve1', [901], other)])).toEqual([`The address ${address} is not NVIDIA's: pve1 901.`]);
  });

  it('names few of the addresses that a container has in its own files, and those last', () => {
    const lines = Array.from({ length: 60 }, (_, index) => `deb https://m${index}.example/ stable main`);
    const own: Change = (part) => {
      action(part, 'configure-apt').before.push({
        kind: 'write',
        path: '/etc/apt/sources.list',
        content: base64([...lines, '# disabled by proxmox-lxc-nvidia: deb https://nvidia.github.io/ /'].join('\n')),
      });
      action(part, 'install-driver').runfile.url = 'https://a.example/x.run';
    };
    const stays = "which stays in a file of the container's own, is not NVIDIA's: pve1 901, 903.";
    expect(marks([plan('pve1', [901, 903], own)])).toEqual([
      "The address https://a.example/x.run is not NVIDIA's: pve1 901, 903.",
      ...[0, 1, 2].map((index) => `The address https://m${index}.example/, ${stays}`),
      "114 more addresses, which stay in such files, are not NVIDIA's: pve1 901, 903.",
    ]);
  });

  it('names the address of a runfile without its password', () => {
    const other: Change = (part) => {
      action(part, 'install-driver').runfile.url = 'https://u:secret@a.example/x.run';
    };
    const found = marks([plan('pve1', [901], other)]);
    expect(found).toContain("The address https://***@a.example/x.run is not NVIDIA's: pve1 901.");
    expect(found.join()).not.toContain('secret');
  });
});
