import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Desired } from '../desired/desired.ts';
import { ActionError, messageOf } from '../errors.ts';
import type { RunfileFacts } from '../facts/facts.ts';
import { untilCancelled } from '../system/cancellation.ts';
import type { Http } from '../system/http.ts';
import { type LockOptions, ownerNow } from '../system/lock.ts';
import type { Log } from '../system/log.ts';
import { Pace } from '../system/progress.ts';
import { bytesText, durationText, shownUrl } from '../system/text.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';
import type { World } from '../world.ts';
import { parseSha256Sum, runfileAddresses, runfileName } from './address.ts';
import { checkOwnSum, checkRoom, checkRunfile, DamagedArchive, unpackArchive } from './archive.ts';
import type { Archive, ArchiveStore } from './archive-store.ts';
import type { PrivateFile, RunfileCache } from './cache.ts';
import type { KnownRunfile, KnownRunfiles } from './known-runfiles.ts';

/** Where runfiles are kept on this host, and what is known of them. */
export interface RunfileStores {
  cache: RunfileCache;
  known: KnownRunfiles;
}

/**
 * Finds out where a version's runfile is and what its checksum is: as given, as published beside it, or as known on this host
 * from an earlier look. Where nobody publishes one and the user accepts that, it is downloaded for it, so that a plan says
 * which bytes it is about.
 *
 * @param secondsLeft for that download; throws when none are left
 * @throws ActionError RUNFILE_NOT_FOUND, RUNFILE_NO_CHECKSUM, RUNFILE_UNUSABLE, DOWNLOAD_FAILED
 */
export async function locateRunfile(
  world: Pick<World, 'http' | 'log'>,
  stores: RunfileStores,
  wish: Desired['runfile'],
  version: DriverVersion,
  architecture: Architecture,
  secondsLeft: () => number,
): Promise<RunfileFacts> {
  const { http } = world;
  const { known } = stores;
  const addresses = runfileAddresses(wish.address, version, architecture);
  for (const url of addresses) {
    const found = await known.find(url, version, architecture);
    if (found !== null && isEnough(found, wish)) {
      const { sha256, size, checksum } = found;
      return { version, url, sha256, size, checksum };
    }
  }
  for (const url of addresses) {
    const size = await http.head(url, 'DOWNLOAD_FAILED');
    if (size === undefined) continue;
    const sha256 = wish.sha256 ?? (await publishedSha256(http, url));
    if (sha256 === null) {
      const found = await downloadUnpublished(world, stores, wish, { version, url, size }, architecture, secondsLeft);
      await known.note(found, architecture);
      return found;
    }
    const found: RunfileFacts = {
      ...{ version, url, sha256, size },
      checksum: wish.sha256 === null ? 'published' : 'given',
    };
    known.told(found);
    return found;
  }
  throw new ActionError(
    'RUNFILE_NOT_FOUND',
    `Driver ${version} is not at ${addresses.map(shownUrl).join(' nor at ')}.`,
    'Give its address as "runfile-url" (vGPU and distribution drivers are not published there).',
  );
}

/** Whether what is known of a runfile answers what this run would ask for. */
function isEnough({ sha256, checksum }: KnownRunfile, wish: Desired['runfile']): boolean {
  if (wish.sha256 !== null) return sha256 === wish.sha256;
  return checksum === 'published' || (checksum === 'none' && wish.integrity === 'self-check');
}

async function publishedSha256(http: Http, url: string): Promise<string | null> {
  const beside = new URL(url);
  beside.pathname += '.sha256sum';
  const body = await http.get(beside.href, 'DOWNLOAD_FAILED');
  if (body === null) return null;
  const sha256 = parseSha256Sum(body.toString('latin1'));
  if (sha256 === null) {
    throw new ActionError(
      'DOWNLOAD_FAILED',
      `${shownUrl(beside.href)} holds no checksum.`,
      'A proxy or captive page may have answered: check the address, or give "runfile-sha256".',
    );
  }
  return sha256;
}

/** Downloads a runfile that nobody publishes a checksum of, checks it by its own sum, and keeps it for the installation. */
async function downloadUnpublished(
  world: Pick<World, 'http' | 'log'>,
  { cache }: RunfileStores,
  { integrity }: Desired['runfile'],
  { version, url, size }: Pick<RunfileFacts, 'version' | 'url' | 'size'>,
  architecture: Architecture,
  secondsLeft: () => number,
): Promise<RunfileFacts> {
  if (integrity !== 'self-check') {
    throw new ActionError(
      'RUNFILE_NO_CHECKSUM',
      `There is no .sha256sum file beside ${shownUrl(url)}.`,
      'Give the checksum as "runfile-sha256", or accept the runfile\'s own check with "runfile-integrity: self-check".',
    );
  }
  const workspace = await cache.workspace();
  try {
    const path = join(workspace, runfileName(version, architecture));
    const runfile = await download(world, url, path, size, secondsLeft);
    await checkRunfile(path, shownUrl(url), { version, architecture });
    await checkOwnSum(path, shownUrl(url));
    await keep(world.log, cache, runfile, workspace, version, architecture);
    return { version, url, sha256: runfile.sha256, size: runfile.size, checksum: 'none' };
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
}

/** A runfile to obtain. */
export interface WantedRunfile extends Pick<RunfileFacts, 'version' | 'url' | 'sha256'> {
  /** Bytes, as announced when the plan was made: no more are downloaded. */
  size?: number | null;
}

/** What obtaining needs of the outside world. */
type ObtainWorld = Pick<World, 'http' | 'log' | 'run' | 'runName' | 'cancelled'>;

/**
 * The driver's files on this host, checked and unpacked for every container: those unpacked last when they are of this runfile
 * and their bytes are right; else from the runfile in the cache, else downloaded. What has a wrong checksum is thrown away.
 * Another run on this host that is obtaining a driver is waited for.
 *
 * What is checked is what is unpacked: a copy in a directory of this user alone, whichever way it came. Only afterwards is what
 * was downloaded moved to the cache, where others may write to it.
 *
 * @param secondsLeft for all of it; throws when none are left
 * @throws ActionError RUNFILE_CHECKSUM_MISMATCH, RUNFILE_UNUSABLE, DOWNLOAD_FAILED, TIMEOUT
 */
export async function obtainArchive(
  world: ObtainWorld,
  stores: RunfileStores & { archives: ArchiveStore },
  wanted: WantedRunfile,
  architecture: Architecture,
  secondsLeft: () => number,
): Promise<Archive> {
  const { log, cancelled } = world;
  const { archives, cache, known } = stores;
  const { version, url } = wanted;
  await using _lock = await archives.lock(lockOptions(world, version, secondsLeft()));
  const archive = await archives.open(wanted.sha256);
  if (typeof archive !== 'string') {
    log.info(`Driver ${version} is unpacked on this host already (${bytesText(archive.size)}, checksum right).`);
    return archive;
  }
  if (archive === 'changed') log.info(`What was unpacked of driver ${version} has changed: it is made anew.`);

  const workspace = await cache.workspace();
  try {
    const path = join(workspace, runfileName(version, architecture));
    const onProgress = () => {
      cancelled.throwIfAborted();
      secondsLeft();
    };
    const cached = await untilCancelled(() => fromCache(log, cache, wanted, architecture, path, onProgress), cancelled);
    const runfile = cached ?? (await downloadWanted(world, known, wanted, architecture, path, onProgress));
    await checkRunfile(path, shownUrl(url), { version, architecture });
    await known.compared(url, architecture);
    const keepIt = async () => {
      if (cached === null) await keep(log, cache, runfile, workspace, version, architecture);
    };
    try {
      const unpacked = await unpack(world, archives, runfile, secondsLeft);
      await keepIt();
      return unpacked;
    } catch (error) {
      cancelled.throwIfAborted();
      if (error instanceof DamagedArchive) {
        await cache.remove(version, architecture);
        await known.forget(url, version, architecture);
      } else {
        await keepIt();
      }
      throw error;
    }
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
}

function lockOptions(
  { log, runName, cancelled }: ObtainWorld,
  version: DriverVersion,
  waitSeconds: number,
): LockOptions {
  return {
    owner: ownerNow(runName),
    waitSeconds,
    cancelled,
    onWait: (holder) => log.info(`A driver's runfile is being obtained by ${holder}: waiting.`),
    busy: (holder) =>
      new ActionError(
        'TIMEOUT',
        `The runfile of ${version} could not be obtained: ${holder} is obtaining one, for longer than ${durationText(waitSeconds)}.`,
        'Wait for that run, or cancel it; raise "timeout-minutes" if the download is merely slow.',
      ),
  };
}

/** A copy of the cached runfile, if its bytes are the wanted ones; else that is thrown away. */
async function fromCache(
  log: Log,
  cache: RunfileCache,
  { version, sha256 }: WantedRunfile,
  architecture: Architecture,
  path: string,
  onProgress: () => void,
): Promise<PrivateFile | null> {
  const copy = await cache.copy(version, architecture, path, onProgress);
  if (copy?.sha256 === sha256) {
    log.info(`The runfile of ${version} comes from the cache (${bytesText(copy.size)}, checksum right).`);
    return copy;
  }
  await rm(path, { force: true });
  if (copy === null) return null;
  log.info(`The cached runfile of ${version} doesn't have the wanted checksum: it is thrown away.`);
  await cache.remove(version, architecture);
  return null;
}

/** @throws ActionError RUNFILE_CHECKSUM_MISMATCH, DOWNLOAD_FAILED */
async function downloadWanted(
  world: ObtainWorld,
  known: KnownRunfiles,
  { version, url, sha256, size }: WantedRunfile,
  architecture: Architecture,
  path: string,
  onProgress: () => void,
): Promise<PrivateFile> {
  const runfile = await download(world, url, path, size, onProgress);
  if (runfile.sha256 === sha256) return runfile;
  // The source may have another one by now, with another checksum.
  await known.forget(url, version, architecture);
  throw new ActionError(
    'RUNFILE_CHECKSUM_MISMATCH',
    `${shownUrl(url)} (${runfile.size} bytes) has sha256 ${runfile.sha256}, expected was ${sha256}.`,
    "Nothing was delivered. Compare the checksum with NVIDIA's .sha256sum; a proxy may have changed the file.",
  );
}

async function download(
  { http, log }: Pick<World, 'http' | 'log'>,
  url: string,
  path: string,
  size: number | null | undefined,
  onProgress: () => void,
): Promise<PrivateFile> {
  log.info(`Downloading ${shownUrl(url)}`);
  const show = progress(log);
  const shown = (received: number, total: number | null) => {
    onProgress();
    show(received, total);
  };
  const downloaded = await http.download(url, path, 'DOWNLOAD_FAILED', shown, size ?? undefined);
  return { path, ...downloaded };
}

/** Moves a downloaded runfile to the tool cache, for later runs. None of them depends on it. */
async function keep(
  log: Log,
  cache: RunfileCache,
  runfile: PrivateFile,
  workspace: string,
  version: DriverVersion,
  architecture: Architecture,
): Promise<void> {
  try {
    await cache.store(runfile, workspace, version, architecture);
  } catch (error) {
    log.info(`The runfile of ${version} could not be kept in the tool cache: ${messageOf(error)}`);
  }
}

/** Decompresses a runfile's archive. */
async function unpack(
  { run, log, cancelled }: ObtainWorld,
  archives: ArchiveStore,
  { path, sha256, size }: PrivateFile,
  secondsLeft: () => number,
): Promise<Archive> {
  try {
    const started = performance.now();
    const target = await archives.prepare();
    await checkRoom(dirname(target), size);
    const work = () => unpackArchive(run, path, target, secondsLeft());
    await untilCancelled(work, cancelled);
    const archive = await archives.store(sha256);
    const seconds = (performance.now() - started) / 1000;
    log.info(`${basename(path)} is unpacked on this host: ${bytesText(archive.size)} in ${durationText(seconds)}.`);
    return archive;
  } catch (error) {
    await archives.discard();
    cancelled.throwIfAborted();
    secondsLeft();
    throw error;
  }
}

/** Logs how far a download is, with rate and, where the total is known, time left. */
function progress(log: Log): (received: number, total: number | null) => void {
  const pace = new Pace();
  return (received, total) => {
    const fraction = total === null ? null : received / total;
    if (!pace.isDue(fraction)) return;
    const rate = bytesText(Math.round(received / pace.seconds));
    const part =
      total === null ? bytesText(received) : `${Math.floor((received / total) * 100)} % of ${bytesText(total)}`;
    log.info(`  ${part}, ${rate}/s${pace.leftText(fraction)}`);
  };
}
