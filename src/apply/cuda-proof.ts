import { CUDA_PROOF_SOURCE } from '../facts/cuda-proof-source.ts';
import type { CommandFact } from '../facts/facts.ts';
import { CUDA_PROOF_ID, KEPT_PROOF } from '../facts/kept-proof.ts';
import type { Pct } from '../proxmox/pct.ts';
import { CONTAINER_LIMITS } from '../system/limits.ts';

/** Seconds for nvcc, which takes a few, and for the kernels. */
const LIMIT_SECONDS = 300;

/**
 * Compiles the proof with a toolkit's nvcc and its host compiler, runs it, and keeps the program when it passed. Whatever
 * else happens, nothing is left. Prints what the program prints, or "not compiled" and what nvcc says.
 *
 * Arguments: toolkit, id of the source, source, compute capabilities without dots. Code for exactly these GPUs first; where
 * this nvcc doesn't know one of them, the driver compiles what nvcc makes by default.
 */
const PROVE = String.raw`
set -eu
umask 022
${KEPT_PROOF}
toolkit=$1 id=$2 source=$3; shift 3
mkdir -p "$kept_directory"
rm -rf "$kept_directory"/.new.*
work=$(mktemp -d "$kept_directory/.new.XXXXXX")
trap 'rm -rf "$work"; rmdir "$kept_directory" 2> /dev/null || :' EXIT
printf '%s' "$source" > "$work/cuda-proof.cu"
for capability; do
  set -- "$@" -gencode "arch=compute_$capability,code=sm_$capability"
  shift
done
compile() { TMPDIR=$work "$toolkit/bin/nvcc" -O2 "$@" -o "$work/program" "$work/cuda-proof.cu" > "$work/log" 2>&1; }
if ! compile "$@" && ! compile; then
  printf 'not compiled\n'
  head -c 65536 "$work/log"
  exit 1
fi
chmod 755 "$work/program"
timeout -k 5 60 "$work/program" 2>&1
rm -f "$kept_directory/${'$'}{toolkit##*/}"-*
mv "$work/program" "$(kept_proof "$toolkit" "$id")"
`;

/**
 * Has the container compile and run the proof. What it answers is judged by verify/cuda-proof.ts.
 *
 * @param capabilities of the container's GPUs, e.g. `9.0`
 * @throws ActionError PCT_FAILED, TIMEOUT, CANCELLED
 */
export async function compileProof(
  pct: Pct,
  ctid: number,
  toolkit: string,
  capabilities: readonly string[],
): Promise<CommandFact> {
  const numbers = [...new Set(capabilities)].map((capability) => capability.replace('.', ''));
  const { exitCode, stdout, stderr } = await pct.script(
    ctid,
    PROVE,
    [toolkit, CUDA_PROOF_ID, CUDA_PROOF_SOURCE, ...numbers],
    { purpose: 'compiling and running a kernel', timeoutSeconds: LIMIT_SECONDS },
  );
  const output = exitCode === 0 ? stdout : `${stdout}${stderr}`;
  return { exitCode, output: output.slice(0, CONTAINER_LIMITS.commandOutput) };
}
