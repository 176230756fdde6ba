import { existsSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runOk } from '../command.ts';
import { IMPERSONATED_NAMES } from '../paths.ts';

export interface Certificates {
  /** Certificate of the lab's authority, PEM. */
  ca: string;
  certificate: string;
  key: string;
}

const YEARS_10 = '3650';

/**
 * Makes the lab's certificate authority and its server certificate, or takes those already in `dir`. They are kept between
 * runs, because base systems hold a copy of the authority's certificate.
 */
export async function ensureCertificates(dir: string, addresses: readonly string[]): Promise<Certificates> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const ca = join(dir, 'ca.crt');
  const caKey = join(dir, 'ca.key');
  if (!existsSync(ca) || !existsSync(caKey)) {
    await runOk([
      ...['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-days', YEARS_10],
      ...['-subj', '/O=proxmox-lxc-nvidia/CN=proxmox-lxc-nvidia lab CA', '-keyout', caKey, '-out', ca],
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
    ]);
  }
  const name = `server-${addresses.join('-')}`;
  const certificate = join(dir, `${name}.crt`);
  const key = join(dir, `${name}.key`);
  if (!existsSync(certificate) || !existsSync(key)) {
    const request = join(dir, `${name}.csr`);
    const extensions = join(dir, `${name}.ext`);
    await runOk([
      ...['openssl', 'req', '-new', '-newkey', 'rsa:2048', '-nodes', '-sha256'],
      ...['-subj', `/O=proxmox-lxc-nvidia/CN=${IMPERSONATED_NAMES[0]}`, '-keyout', key, '-out', request],
    ]);
    const names = [...IMPERSONATED_NAMES.map((n) => `DNS:${n}`), ...addresses.map((a) => `IP:${a}`)];
    const purposes = 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n';
    await writeFile(extensions, `subjectAltName=${names.join(',')}\n${purposes}`);
    await runOk([
      ...['openssl', 'x509', '-req', '-sha256', '-days', YEARS_10, '-in', request, '-extfile', extensions],
      ...['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-out', certificate],
    ]);
    await rm(request);
    await rm(extensions);
  }
  await Promise.all([caKey, key].map((file) => chmod(file, 0o600)));
  return { ca, certificate, key };
}
