// Takes down what a dead lab left on this machine (as root): `node test/lab/down.ts`, `--force` for a lab in use.
import { takeDown } from './lab.ts';

await takeDown(process.argv.includes('--force'));
