import { SAMPLE } from '../faults/matrix.ts';
import { matrixTests } from '../faults/matrix-tests.ts';

// With faults-kill.test.ts the fixed part of `npm run test:faults` that is run every time: every boundary, every fault.
matrixTests(SAMPLE.slice(0, 20));
