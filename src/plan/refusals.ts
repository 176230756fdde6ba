import type { Desired } from '../desired/desired.ts';
import { diagnose } from '../diagnosis/cause.ts';
import { NODE_CAUSES } from '../diagnosis/gpu.ts';
import { ActionError } from '../errors.ts';
import type { ContainerFacts, GuestFacts, HostFacts } from '../facts/facts.ts';
import { type Distribution, distributionOf, SUPPORTED_TEXT } from '../repository/distribution.ts';
import { cudaText } from '../version/cuda.ts';
import { type DriverVersion, versionInFileName } from '../version/driver.ts';
import { compatibility } from './compatibility.ts';

/**
 * The host's driver, after everything that can be refused by looking at the host alone.
 *
 * @throws ActionError HOST_DRIVER_NOT_LOADED, DRIVER_VERSION_MISMATCH, RUNFILE_VERSION_MISMATCH, CUDA_NEEDS_NEWER_DRIVER
 */
export function checkHost(desired: Desired, host: HostFacts): DriverVersion {
  if (host.driver === null) {
    throw new ActionError(
      'HOST_DRIVER_NOT_LOADED',
      `Host ${host.node} has no NVIDIA kernel module loaded: /proc/driver/nvidia/version is not there.`,
      'Install the driver on the host and load it (modprobe nvidia); check dkms status after a kernel update.',
    );
  }
  const { version } = host.driver;
  if (desired.driver.kind === 'exact' && desired.driver.version !== version) {
    throw new ActionError(
      'DRIVER_VERSION_MISMATCH',
      `${desired.driver.source} asks for ${desired.driver.version}, but host ${host.node} runs ${version}.`,
      'User space and kernel module must be equal: update the wish, or the host first and then its containers.',
    );
  }
  const { address } = desired.runfile;
  if (address.kind === 'template' && !address.url.includes('{version}')) {
    const named = versionInFileName(address.url.slice(address.url.lastIndexOf('/') + 1));
    if (named !== version) {
      throw new ActionError(
        'RUNFILE_VERSION_MISMATCH',
        `${address.source} names ${named === null ? 'no version' : `version ${named}`}, but host ${host.node} runs ${version}.`,
        "Name the runfile of the host's version, or write {version} in the address.",
      );
    }
  }
  if (desired.cuda.kind === 'version') {
    const fit = compatibility(version, desired.cuda.version);
    if (fit.kind === 'impossible') {
      throw new ActionError(
        'CUDA_NEEDS_NEWER_DRIVER',
        `CUDA ${cudaText(desired.cuda.version)} needs driver ${fit.minimum} or newer, but host ${host.node} runs ${version}.`,
        fit.newestPossible === null
          ? 'Update the driver on the host first.'
          : `Update the driver on the host first, or ask for a toolkit up to ${fit.newestPossible}.`,
      );
    }
  }
  return version;
}

/** A container that may be worked on, with its inside and distribution. */
export interface ReadyContainer {
  guest: GuestFacts;
  distribution: Distribution;
}

/**
 * Refuses everything about a container that makes the work impossible or dangerous.
 *
 * @throws ActionError with a `CONTAINER_…` code or DISTRIBUTION_UNSUPPORTED
 */
export function checkContainer(host: HostFacts, container: ContainerFacts): ReadyContainer {
  const guest = checkState(host, container);
  const name = `Container ${container.ctid}`;
  const distribution = distributionOf(guest);
  if (distribution === null) {
    throw new ActionError(
      'DISTRIBUTION_UNSUPPORTED',
      `${name} runs ${guest.distribution.name} (${guest.distribution.id} ${guest.distribution.version}).`,
      `Supported are ${SUPPORTED_TEXT}.`,
    );
  }
  const wanted = host.architecture === 'x86_64' ? 'amd64' : 'arm64';
  if (guest.dpkgArchitecture !== wanted) {
    throw new ActionError(
      'CONTAINER_ARCHITECTURE_MISMATCH',
      guest.dpkgArchitecture === null
        ? `${name} has no dpkg.`
        : `${name} is ${guest.dpkgArchitecture}, the host is ${wanted}.`,
      "Use a container of the host's own architecture.",
    );
  }
  if (guest.dpkgAudit !== '') {
    throw new ActionError(
      'CONTAINER_DPKG_BROKEN',
      `${name} has packages that dpkg left half done.`,
      `Repair it first: pct exec ${container.ctid} -- dpkg --configure -a, then apt-get -f install.`,
      guest.dpkgAudit,
    );
  }
  return { guest, distribution };
}

function checkState(host: HostFacts, container: ContainerFacts): GuestFacts {
  const { ctid, presence } = container;
  if (presence.kind === 'absent') {
    throw new ActionError('CONTAINER_NOT_FOUND', `Container ${ctid} does not exist.`, 'See pct list on the host.');
  }
  if (presence.kind === 'vm') {
    throw new ActionError(
      'CONTAINER_IS_VM',
      `${ctid} is a virtual machine, not a container.`,
      'Install the driver in it as on any machine.',
    );
  }
  if (presence.kind === 'other-node') {
    throw new ActionError(
      'CONTAINER_ON_OTHER_NODE',
      `${ctid} is a ${presence.type === 'vm' ? 'virtual machine' : 'container'} of node ${presence.node}; this runner is on ${host.node}.`,
      `Run the step on the runner of ${presence.node}.`,
    );
  }
  if (container.template) {
    throw new ActionError('CONTAINER_IS_TEMPLATE', `Container ${ctid} is a template.`, 'Name a clone of it.');
  }
  if (container.lock !== null) {
    throw new ActionError(
      'CONTAINER_LOCKED',
      `Container ${ctid} is locked by Proxmox (${container.lock}).`,
      `Wait until that task is done; if none runs any more: pct unlock ${ctid}.`,
    );
  }
  if (!container.running || container.guest === null) {
    throw new ActionError('CONTAINER_STOPPED', `Container ${ctid} is not running.`, `Start it: pct start ${ctid}.`);
  }
  return container.guest;
}

/**
 * GPU nodes that are missing, denied or stale would make every verification fail after a long installation.
 *
 * @param guest the container's inside as it will be when all is done
 *
 * @throws ActionError CONTAINER_GPU_NODES_MISSING, CONTAINER_GPU_NODE_DENIED, CONTAINER_GPU_NODE_STALE
 */
export function checkDeviceNodes(host: HostFacts, container: ContainerFacts, guest: GuestFacts): void {
  const { ctid } = container;
  const found = diagnose(NODE_CAUSES, { symptom: { kind: 'untried' }, host, container, guest }, ctid);
  if (found === null) return;
  throw new ActionError(found.code, `Container ${ctid} can't use its GPUs: ${found.cause}.`, found.remedy);
}
