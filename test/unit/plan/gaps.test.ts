import { describe, expect, it } from 'vitest';
import type { Desired } from '../../../src/desired/desired.ts';
import type { GuestFacts } from '../../../src/facts/facts.ts';
import { findGaps, gapReasons, missingText, userSpaceText, userSpaceVersion } from '../../../src/plan/gaps.ts';
import { checkContainer } from '../../../src/plan/refusals.ts';
import { SOURCES_PATH } from '../../../src/repository/apt-files.ts';
import { keyringFacts } from '../../../src/repository/openpgp.ts';
import { wantedRepositories } from '../../../src/repository/repositories.ts';
import {
  bareGuest,
  CUDA_KEY,
  carriedKeyring,
  containerFacts,
  DRIVER,
  desired,
  guestFacts,
  hostFacts,
  installed,
  NO_USER_SPACE,
  userSpace,
} from '../helpers/facts.ts';
import { fixture } from '../helpers/fixtures.ts';

const CARRIED = carriedKeyring(CUDA_KEY);
/** Packets that may, and that may not, stand behind a key. */
const USER_ID = Buffer.from('b403796f75', 'hex');
const SECRET_KEY = Buffer.from('c50104', 'hex');

function cudaKeyring(...parts: Buffer[]) {
  return { path: '/etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg', ...keyringFacts(Buffer.concat(parts)) };
}

function gaps(guest: GuestFacts, wish: Desired = desired()) {
  const { distribution } = checkContainer(hostFacts(), containerFacts({}, guest));
  return findGaps(wish, guest, DRIVER, wantedRepositories(wish, distribution, 'x86_64'));
}

describe('findGaps', () => {
  it('finds none in a container that is as wanted', () => {
    expect(gapReasons(gaps(guestFacts()))).toEqual([]);
  });

  it('finds all in a bare one', () => {
    const found = gaps(bareGuest());
    expect(found).toMatchObject({
      prerequisites: ['kmod', 'ca-certificates', 'gnupg', 'curl', 'wget', 'build-essential'],
      nvidiaContainer: ['libnvidia-container1'],
      driver: `no user space is installed, the host's driver is ${DRIVER}`,
      toolkit: ['cuda-toolkit-12-8'],
      driverPackages: [],
    });
    expect(found.apt?.reason).toContain("the cuda repository's key is not in place");
    expect(found.apt?.reason).toContain('ca-certificates are missing');
    expect(gapReasons(found)).toHaveLength(4);
  });

  it.each<[string, Partial<GuestFacts>, string]>([
    ['another driver', userSpace('550.163.01'), 'user space 550.163.01 ≠ host driver 580.159.04'],
    [
      'two drivers',
      { ...userSpace(DRIVER), libraries: [...userSpace('550.163.01').libraries, ...userSpace(DRIVER).libraries] },
      'user space 550.163.01 and 580.159.04 ≠ host driver 580.159.04',
    ],
    [
      'a driver that is not linked',
      { links: NO_USER_SPACE.links },
      "libcuda.so.1, libnvidia-ml.so.1 of 580.159.04 can't be loaded: an installation was not finished",
    ],
    [
      'one library that resolves elsewhere',
      { links: [...userSpace(DRIVER).links.slice(0, 1), ...userSpace('550.78').links.slice(1)] },
      "libnvidia-ml.so.1 of 580.159.04 can't be loaded",
    ],
    ['no nvidia-smi', { nvidiaSmi: { query: null, table: null } }, 'nvidia-smi of 580.159.04 is missing'],
    [
      'the right driver from apt',
      { packages: [...guestFacts().packages, installed('libcuda1', '580.159.04-1')] },
      'apt packages own driver files: libcuda1',
    ],
    ['no kmod', { packages: guestFacts().packages.filter(({ name }) => name !== 'kmod') }, 'not installed: kmod'],
    [
      'a package that is removed but configured',
      { packages: guestFacts().packages.map((entry) => ({ ...entry, installed: entry.name !== 'gnupg' })) },
      'not installed: gnupg',
    ],
    [
      'another toolkit',
      { packages: [...guestFacts().packages.slice(0, -1), installed('cuda-toolkit-12-6')] },
      'not installed: cuda-toolkit-12-8',
    ],
    ['no pin', { aptPin: null }, "doesn't keep apt from bringing a driver"],
    ['a changed pin', { aptPin: 'Package: *\n' }, "doesn't keep apt from bringing a driver"],
    ['no sources', { aptSources: [] }, "NVIDIA's repositories are not set up as wanted"],
    ['a keyring without keys', { keyrings: [cudaKeyring(Buffer.alloc(0))] }, 'key is not in place'],
    [
      'a keyring with a key too many',
      { keyrings: [...guestFacts().keyrings.slice(1), cudaKeyring(CARRIED, fixture('keys/two.gpg'))] },
      "the cuda repository's key is not in place",
    ],
    [
      'a keyring with the right key alone, but other bytes',
      { keyrings: [...guestFacts().keyrings.slice(1), cudaKeyring(CARRIED, USER_ID)] },
      "the cuda repository's key is not in place",
    ],
    ['no certificates', { certificates: false }, 'ca-certificates are missing'],
    [
      'a source that conflicts',
      {
        aptSources: [
          ...guestFacts().aptSources,
          {
            path: '/etc/apt/sources.list.d/cuda-debian12-x86_64.list',
            text: 'deb https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/ /\n',
          },
        ],
      },
      'cuda-debian12-x86_64.list holds an entry that would conflict',
    ],
  ])('finds %s', (_what, changes, reason) => {
    const reasons = gapReasons(gaps(guestFacts(changes)));
    expect(reasons.join('\n')).toContain(reason);
  });

  it.each<[string, Buffer[], boolean]>([
    ['is', [CARRIED], true],
    ['is, whatever else its owner signed', [CARRIED, USER_ID], true],
    ['is not, with what is no part of a public key,', [CARRIED, SECRET_KEY], false],
    ['is not, with a key too many,', [CARRIED, fixture('keys/two.gpg')], false],
  ])('of a mirror that signs itself, a keyring %s in place', (_what, parts, inPlace) => {
    const wish = desired({ cudaRepository: { base: desired().cudaRepository.base, keys: [CUDA_KEY] } });
    const guest = guestFacts({ keyrings: [...guestFacts().keyrings.slice(1), cudaKeyring(...parts)] });
    expect(gapReasons(gaps(guest, wish))).toEqual(inPlace ? [] : ["the cuda repository's key is not in place"]);
  });

  it('counts packages only when they are installed', () => {
    const packages = [...guestFacts().packages, { ...installed('libcuda1', '550'), installed: false }];
    expect(gapReasons(gaps(guestFacts({ packages })))).toEqual([]);
  });

  it('asks for nothing that is not wanted', () => {
    const wish = desired({ cuda: { kind: 'none' }, nvidiaContainer: 'none' });
    const guest = guestFacts({
      packages: guestFacts().packages.filter(({ name }) => !/cuda|container/.test(name)),
      aptSources: guestFacts().aptSources.filter(({ path }) => path !== SOURCES_PATH),
      keyrings: [],
      toolkits: [],
    });
    expect(gapReasons(gaps(guest, wish))).toEqual([]);
    expect(gaps(guestFacts(), wish).apt?.reason).toBe("NVIDIA's repositories are not set up as wanted");
  });

  it('wants the container toolkit where it is asked for', () => {
    expect(gaps(guestFacts(), desired({ nvidiaContainer: 'toolkit' })).nvidiaContainer).toEqual([
      'nvidia-container-toolkit',
    ]);
  });
});

describe('user space', () => {
  it.each<[string, Partial<GuestFacts>, string | null, string]>([
    ['as installed', {}, DRIVER, DRIVER],
    ['none', NO_USER_SPACE, null, 'none'],
    ['libraries without links', { links: NO_USER_SPACE.links }, null, DRIVER],
    ['links to nothing', { libraries: [] }, DRIVER, 'none'],
    [
      'one foreign file',
      { libraries: [...userSpace(DRIVER).libraries, ...userSpace('550.78').libraries.slice(2)] },
      null,
      `550.78 and ${DRIVER}`,
    ],
    ['links of another version', { links: userSpace('550.78').links }, null, DRIVER],
  ])('%s', (_what, changes, version, text) => {
    const guest = guestFacts(changes);
    expect(userSpaceVersion(guest)).toBe(version);
    expect(userSpaceText(guest)).toBe(text);
  });
});

it('missingText is null for nothing', () => {
  expect(missingText([])).toBeNull();
  expect(missingText(['a', 'b'])).toBe('not installed: a, b');
});
