import { sha256Of } from '../system/sha256.ts';
import { CUDA_PROOF_SOURCE } from './cuda-proof-source.ts';

/** Names the source of the proof in the name of the program that is kept of it. */
export const CUDA_PROOF_ID = sha256Of(CUDA_PROOF_SOURCE);

/** Where a container keeps the compiled proof, so that it is compiled once for each toolkit. */
const DIRECTORY = '/var/cache/proxmox-lxc-nvidia';

/**
 * Shell: `kept_proof TOOLKIT ID` prints the path of the program that this toolkit's nvcc makes of the source ID;
 * `kept_directory` is where it lies. Another version of nvcc, another path.
 */
export const KEPT_PROOF = `
kept_directory=${DIRECTORY}
kept_proof() {
  key=$({ printf '%s' "$2"; "$1/bin/nvcc" --version; } 2> /dev/null | sha256sum | cut -c -16)
  printf '%s/%s-%s' "$kept_directory" "${'$'}{1##*/}" "$key"
}
`;
