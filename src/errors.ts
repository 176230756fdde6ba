import { REPORT_LIMITS } from './system/limits.ts';

/**
 * Stable codes of everything this action refuses or fails with: the `failure-reason` output, the title of the
 * annotation and the key of docs/troubleshooting.md. Never rename one that was released.
 */
export type FailureCode =
  // inputs
  | 'INPUT_INVALID'
  | 'NO_CONTAINER_NAMED'
  | 'CONTAINER_LIST_INVALID'
  | 'CONTAINER_NAMED_TWICE'
  | 'CONTAINER_RANGE_TOO_LARGE'
  | 'SELECTION_EMPTY'
  | 'CUDA_VERSION_MISSING'
  | 'CUDA_VERSION_INVALID'
  | 'DRIVER_VERSION_INVALID'
  | 'URL_INSECURE'
  | 'URL_INVALID'
  | 'PHOENIX_FILE_UNREADABLE'
  | 'PHOENIX_FILE_INVALID'
  | 'PHOENIX_KEY_MISSING'
  | 'PHOENIX_CONFLICT'
  // files handed over
  | 'FACTS_UNREADABLE'
  | 'FACTS_INVALID'
  | 'FACTS_SCHEMA_UNSUPPORTED'
  | 'FACTS_EXPIRED'
  | 'FACTS_INCOMPLETE'
  | 'PLAN_UNREADABLE'
  | 'PLAN_INVALID'
  | 'PLAN_SCHEMA_UNSUPPORTED'
  | 'PLAN_EDITED'
  | 'PLAN_EXPIRED'
  | 'PLAN_OTHER_ACTION_VERSION'
  | 'PLAN_OTHER_HOST'
  | 'PLAN_OTHER_CONTAINERS'
  | 'PLAN_CHANGED'
  | 'PLAN_USED'
  // host
  | 'HOST_NOT_PROXMOX'
  | 'HOST_NOT_ROOT'
  | 'HOST_ARCHITECTURE_UNSUPPORTED'
  | 'HOST_DRIVER_NOT_LOADED'
  | 'HOST_DRIVER_UNREADABLE'
  | 'DRIVER_VERSION_MISMATCH'
  | 'RUNFILE_VERSION_MISMATCH'
  | 'CUDA_NEEDS_NEWER_DRIVER'
  | 'HOST_UVM_MISSING'
  | 'HOST_GPU_NODES_MISSING'
  | 'HOST_DRIVER_PENDING'
  // container
  | 'CONTAINER_NOT_ALLOWED'
  | 'CONTAINER_NOT_FOUND'
  | 'CONTAINER_ON_OTHER_NODE'
  | 'CONTAINER_IS_VM'
  | 'CONTAINER_IS_TEMPLATE'
  | 'CONTAINER_LOCKED'
  | 'CONTAINER_STOPPED'
  | 'CONTAINER_ARCHITECTURE_MISMATCH'
  | 'CONTAINER_GPU_NODES_MISSING'
  | 'CONTAINER_GPU_NODE_DENIED'
  | 'CONTAINER_GPU_NODE_STALE'
  | 'CONTAINER_UVM_MISSING'
  | 'PASSTHROUGH_AMBIGUOUS'
  | 'PASSTHROUGH_UNSUPPORTED'
  | 'CONTAINER_BUSY'
  | 'CONTAINER_LEFT_BY_OTHER_USER'
  | 'CONTAINER_OUTPUT_ENDLESS'
  | 'CONTAINER_SPACE'
  | 'CONTAINER_TEMPORARY_DIRECTORY'
  | 'CONTAINER_REPOSITORY_CONFLICT'
  | 'CONTAINER_DPKG_BROKEN'
  | 'DISTRIBUTION_UNSUPPORTED'
  // upstream
  | 'DOWNLOAD_FAILED'
  | 'RUNFILE_NOT_FOUND'
  | 'RUNFILE_NO_CHECKSUM'
  | 'RUNFILE_CHECKSUM_MISMATCH'
  | 'RUNFILE_UNUSABLE'
  | 'REPOSITORY_UNREACHABLE'
  | 'REPOSITORY_KEY_UNKNOWN'
  | 'TOOLKIT_NOT_AVAILABLE'
  | 'PACKAGE_NOT_AVAILABLE'
  // apply
  | 'CANCELLED'
  | 'SNAPSHOT_IMPOSSIBLE'
  | 'SNAPSHOT_FAILED'
  | 'ROLLBACK_FAILED'
  | 'RECOVERY_FAILED'
  | 'JOURNAL_FAILED'
  | 'PASSTHROUGH_FAILED'
  | 'RESTART_FAILED'
  | 'PCT_FAILED'
  | 'HOST_FILE_UNREADABLE'
  | 'PROBE_FAILED'
  | 'TIMEOUT'
  | 'DELIVERY_FAILED'
  | 'APT_FAILED'
  | 'APT_SIGNATURE'
  | 'APT_CERTIFICATE'
  | 'APT_LOCKED'
  | 'APT_FILE_NOT_FOUND'
  | 'APT_OUT_OF_SYNC'
  | 'APT_DEPENDENCIES'
  | 'APT_DRIVER_PULLED'
  | 'INSTALLER_FAILED'
  | 'INSTALLER_NO_SPACE'
  | 'INSTALLER_KILLED'
  | 'INSTALLER_INCOMPLETE'
  // verify
  | 'VERIFY_FAILED'
  | 'DRIFT'
  | 'VERIFY_USER_SPACE'
  | 'VERIFY_NVIDIA_SMI'
  | 'VERIFY_GPU_MISSING'
  | 'VERIFY_CUDA'
  | 'VERIFY_NVCC'
  | 'VERIFY_COMPILE'
  | 'VERIFY_KERNEL'
  | 'GPU_ISOLATION'
  // the GPUs themselves
  | 'GPU_LOST'
  | 'GPU_XID'
  | 'GPU_HANGS'
  | 'GPU_RESET_REQUIRED'
  | 'GPU_MIG_UNCONFIGURED'
  | 'GPU_BUSY'
  | 'GPU_ECC_ERROR'
  | 'GPU_FABRIC_NOT_READY'
  // this action
  | 'BUG';

/**
 * A failure a person can act on: what was seen and what to do about it.
 *
 * Everything else that is thrown is a bug of this action and is reported as `BUG` with its stack.
 */
export class ActionError extends Error {
  readonly code: FailureCode;
  /** What was observed, with the offending value. */
  readonly seen: string;
  /** One sentence: what the reader should do. */
  readonly remedy: string;
  /** Lines of a log or of output that matter, already short. Untrusted text. */
  readonly details: string | undefined;

  constructor(code: FailureCode, seen: string, remedy: string, details?: string, options?: ErrorOptions) {
    const sentence = shortened(seen, REPORT_LIMITS.sentence);
    super(`${sentence} ${remedy}`, options);
    this.name = 'ActionError';
    this.code = code;
    this.seen = sentence;
    this.remedy = remedy;
    this.details = details?.trim() ? shortened(details, REPORT_LIMITS.details) : undefined;
  }
}

/** What is quoted of a container or a server can have any length. */
function shortened(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}…`;
}

/** What a report says of any thrown value. */
export interface Failure {
  code: FailureCode;
  seen: string;
  remedy: string;
  details?: string;
}

/** Turns any thrown value into a {@link Failure}; what is not an {@link ActionError} is a bug of ours. */
export function toFailure(error: unknown): Failure {
  if (error instanceof ActionError) {
    const { code, seen, remedy, details } = error;
    return details === undefined ? { code, seen, remedy } : { code, seen, remedy, details };
  }
  const seen = error instanceof Error ? error.message : String(error);
  const details = error instanceof Error ? error.stack : undefined;
  const remedy = 'This is a bug in the action: please report it with this text.';
  return details === undefined ? { code: 'BUG', seen, remedy } : { code: 'BUG', seen, remedy, details };
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
