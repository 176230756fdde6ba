import { SOURCES_PATH } from '../repository/apt-files.ts';
import { NVIDIA_KEYS } from '../repository/distribution.ts';
import { sha256Of } from '../system/sha256.ts';
import { shownUrl } from '../system/text.ts';
import type { ContainerPlan, FileChange } from './actions.ts';

/** One host's part of what is put to approvers together. */
export interface HostPlan {
  host: string;
  architecture: string;
  containers: readonly Pick<ContainerPlan, 'ctid' | 'found' | 'actions'>[];
}

interface Place {
  host: string;
  ctid: number;
}

/** What is the same thing, by its variants, and where each is found. */
type Variants = Map<string, Map<string, Place[]>>;

/** NVIDIA's download servers, and libnvidia-container's repository. */
const NVIDIA_HOSTS = /^(?:[a-z0-9-]+\.)*download\.nvidia\.com$|^nvidia\.github\.io$/;

/** Addresses in a container's own source files that are named, of each container: there can be any number of them. */
const OWN_ADDRESSES = 3;

/**
 * What approvers should look at first, a sentence each: a runfile or key of which hosts have different ones, a key that is
 * not one of NVIDIA's known keys, an address that is not NVIDIA's. What this action writes comes before what stays in a
 * container's own files, so that no container crowds it out. Pure. Its texts are as untrusted as the plans.
 */
export function marks(plans: readonly HostPlan[]): string[] {
  const runfiles: Variants = new Map();
  const keyrings: Variants = new Map();
  const foreignKeys: Variants = new Map();
  const foreignAddresses: Variants = new Map();
  const ownAddresses: Variants = new Map();
  const further: { count: number; places: Place[] } = { count: 0, places: [] };
  for (const { host, architecture, containers } of plans) {
    for (const { ctid, found, actions } of containers) {
      const place = { host, ctid };
      const addresses: string[] = [];
      const own: string[] = [];
      for (const action of actions) {
        if (action.kind === 'install-driver') {
          const { url, sha256 } = action.runfile;
          addresses.push(url);
          add(runfiles, `The runfile of driver ${action.version} (${architecture})`, `sha256 ${sha256}`, place);
        }
        if (action.kind === 'configure-apt') {
          const written = [...action.before, ...action.after].filter((change) => change.kind === 'write');
          for (const change of written) {
            (change.path === SOURCES_PATH ? addresses : own).push(...sourceAddresses(change));
          }
          for (const { path, fingerprints } of action.keys) {
            const keys = fingerprints.toSorted();
            const bytes = written.find((change) => change.path === path);
            const content =
              bytes === undefined ? '' : `, bytes with sha256 ${sha256Of(Buffer.from(bytes.content, 'base64'))}`;
            add(keyrings, `The keyring ${path} for ${found.distribution}`, `${keys.join(' and ')}${content}`, place);
            for (const key of keys) if (!NVIDIA_KEYS.includes(key)) add(foreignKeys, key, path, place);
          }
        }
      }
      for (const address of foreign(addresses)) add(foreignAddresses, address, '', place);
      const kept = foreign(own);
      for (const address of kept.slice(0, OWN_ADDRESSES)) add(ownAddresses, address, '', place);
      if (kept.length > OWN_ADDRESSES) {
        further.count += kept.length - OWN_ADDRESSES;
        further.places.push(place);
      }
    }
  }
  return [
    ...differing(runfiles),
    ...differing(keyrings),
    ...[...foreignKeys].map(
      ([key, paths]) =>
        `The key ${key} in ${[...paths.keys()].join(', ')} is not one of NVIDIA's known keys: ${placesText([...paths.values()].flat())}.`,
    ),
    ...[...foreignAddresses].map(
      ([address, places]) => `The address ${address} is not NVIDIA's: ${placesText([...places.values()].flat())}.`,
    ),
    ...[...ownAddresses].map(
      ([address, places]) =>
        `The address ${address}, which stays in a file of the container's own, is not NVIDIA's: ${placesText([...places.values()].flat())}.`,
    ),
    ...(further.count === 0
      ? []
      : [
          `${further.count} more addresses, which stay in such files, are not NVIDIA's: ${placesText(further.places)}.`,
        ]),
  ];
}

/** Those of other servers than NVIDIA's, each once, fit to be shown. */
function foreign(addresses: readonly string[]): string[] {
  return [...new Set(addresses.filter((address) => !isNvidias(address)).map(shownUrl))];
}

function add(variants: Variants, what: string, variant: string, place: Place): void {
  const found = variants.get(what) ?? new Map<string, Place[]>();
  const places = found.get(variant) ?? [];
  places.push(place);
  variants.set(what, found.set(variant, places));
}

function differing(variants: Variants): string[] {
  return [...variants].flatMap(([what, found]) =>
    found.size < 2
      ? []
      : [
          `${what} is not the same everywhere: ${[...found].map(([variant, places]) => `${variant} on ${placesText(places)}`).join('; ')}.`,
        ],
  );
}

/** The addresses that apt is told to ask (sources.list(5)). */
function sourceAddresses({ content }: FileChange & { kind: 'write' }): string[] {
  const lines = Buffer.from(content, 'base64').toString('utf8').split('\n');
  const addresses = lines
    .filter((line) => !line.trimStart().startsWith('#'))
    .flatMap((line) => {
      const uris = /^URIs:(.*)$/i.exec(line)?.[1]?.split(/\s/) ?? [];
      return [...uris, ...line.split(/\s/).filter((word) => word.includes('://'))];
    });
  return [...new Set(addresses)].filter((address) => address !== '');
}

function isNvidias(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname, port } = new URL(address);
  return protocol === 'https:' && port === '' && NVIDIA_HOSTS.test(hostname);
}

/** `pve1 901–903, 907; pve2 910` */
export function placesText(places: readonly Place[]): string {
  const hosts = [...new Set(places.map(({ host }) => host))];
  return hosts
    .map((host) => `${host} ${rangesText(places.filter((place) => place.host === host).map(({ ctid }) => ctid))}`)
    .join('; ');
}

/** `901–903, 907` */
function rangesText(ctids: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const ctid of [...new Set(ctids)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === ctid - 1) last[1] = ctid;
    else ranges.push([ctid, ctid]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
}
