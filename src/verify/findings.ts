import { diagnoseAll } from '../diagnosis/cause.ts';
import { HOST_FINDINGS } from '../diagnosis/host.ts';
import type { FailureCode } from '../errors.ts';
import type { HostFacts } from '../facts/facts.ts';

/** Something that works but isn't as it was meant. */
export interface Finding {
  code: FailureCode;
  message: string;
}

/** What isn't right with the host, for people. Pure. */
export function hostFindings(host: HostFacts): Finding[] {
  return diagnoseAll(HOST_FINDINGS, host).map(({ code, cause, remedy }) => ({
    code,
    message: `Host ${host.node}: ${cause}. ${remedy}`,
  }));
}
