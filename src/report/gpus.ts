import type { GpuHealth } from '../facts/facts.ts';
import type { SmiGpu } from '../verify/nvidia-smi.ts';
import { blocks, code, paragraph, table, text } from './html.ts';
import type { RunResult } from './result.ts';

/** GPUs that only containers tell of: more than a few are no hardware. */
const MOST_FOREIGN = 64;

/** Every GPU of the host with its health, and every other one that a container sees, with the containers whose nvidia-smi sees it. */
export function gpusTable({ host, containers }: RunResult): string {
  /** By UUID, as the first container that sees it shows it. */
  const all = new Map<string, { gpu: SmiGpu; ctids: Set<number> }>();
  for (const { ctid, gpus } of containers) {
    for (const gpu of gpus) {
      const known = all.get(gpu.uuid);
      if (known === undefined) all.set(gpu.uuid, { gpu, ctids: new Set([ctid]) });
      else known.ctids.add(ctid);
    }
  }
  const ofUuid = (uuid: string | null) => (uuid === null ? undefined : all.get(uuid));
  const seen = (uuid: string | null) => [...(ofUuid(uuid)?.ctids ?? ['–'])].join(', ');
  const memory = (uuid: string | null) => ofUuid(uuid)?.gpu.memory ?? '–';
  const health = new Map(host?.health?.gpus?.map((gpu) => [gpu.uuid, gpu]));

  const own = (host?.gpus ?? []).map(({ name, minor, uuid }) => [
    minor === null ? '–' : `/dev/nvidia${minor}`,
    text(name),
    text(memory(uuid)),
    code(uuid ?? 'not known yet'),
    seen(uuid),
    healthText(uuid === null ? undefined : health.get(uuid)),
  ]);
  const known = new Set(host?.gpus.map(({ uuid }) => uuid));
  const others = [...all.values()].filter(({ gpu }) => !known.has(gpu.uuid));
  const foreign = others
    .slice(0, MOST_FOREIGN)
    .map(({ gpu: { uuid, name, memory } }) => [
      'unknown to the host',
      text(name),
      text(memory),
      code(uuid),
      seen(uuid),
      '–',
    ]);
  const left = others.length - foreign.length;
  const xids = host?.health?.xids;
  return blocks([
    table(['Node', 'GPU', 'Memory', 'UUID', 'Containers', 'Health'], [...own, ...foreign]),
    left > 0 ? paragraph(`${left} more GPUs that the host doesn't know are in report.json.`) : '',
    xids ? paragraph(`${xids.length === 0 ? 'No' : xids.length} Xid in the host's kernel log since it started.`) : '',
  ]);
}

/** What a host tells of a GPU; what it doesn't tell is left out, and what is as on every GPU. */
function healthText(gpu: GpuHealth | undefined): string {
  if (gpu === undefined) return '–';
  const { persistence, computeMode, mig, eccErrors, processes } = gpu;
  const parts = [
    processes === null ? null : `${processes} ${processes === 1 ? 'process' : 'processes'}`,
    persistence === null ? null : `persistence ${persistence ? 'on' : 'off'}`,
    computeMode === null || computeMode === 'Default' ? null : `<b>compute mode ${text(computeMode)}</b>`,
    mig ? '<b>MIG on</b>' : null,
    [eccErrors.volatile, eccErrors.aggregate].includes(null)
      ? null
      : `ECC errors ${eccErrors.volatile} (${eccErrors.aggregate} ever)`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}
