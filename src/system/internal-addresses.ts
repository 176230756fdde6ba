import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';

/**
 * Addresses at which a machine meets itself, its hypervisor or its cloud's metadata service: unspecified, loopback and link-local
 * (RFC 6890; RFC 4291, 2.5), and the address at which Amazon's metadata service answers by IPv6. What is there trusts who is near.
 */
const INTERNAL = new BlockList();
INTERNAL.addSubnet('0.0.0.0', 8, 'ipv4');
INTERNAL.addSubnet('127.0.0.0', 8, 'ipv4');
INTERNAL.addSubnet('169.254.0.0', 16, 'ipv4');
INTERNAL.addAddress('::', 'ipv6');
INTERNAL.addAddress('::1', 'ipv6');
INTERNAL.addSubnet('fe80::', 10, 'ipv6');
INTERNAL.addAddress('fd00:ec2::254', 'ipv6');

/** Whether a URL's host is internal by what is written there: a literal address (IPv4 inside IPv6, too), or localhost. */
export function isInternalHost({ hostname }: URL): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return isInternalAddress(name.startsWith('[') ? name.slice(1, -1) : name);
}

function isInternalAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && INTERNAL.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** dns.lookup, as a connection asks it, for names that may not stand for an internal address: error `EINTERNAL`. */
export function externalLookup(hostname: string, options: LookupOptions, callback: LookupCallback): void {
  lookup(hostname, options, (error, address, family) => {
    const addresses = typeof address === 'string' ? [address] : (address ?? []).map((entry) => entry.address);
    const refused = addresses.find(isInternalAddress);
    if (error === null && refused !== undefined) {
      callback(Object.assign(new Error(`${hostname} stands for ${refused}`), { code: 'EINTERNAL' }), []);
    } else {
      callback(error, address, family);
    }
  });
}
