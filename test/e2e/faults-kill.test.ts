import { killTests } from '../faults/kill-tests.ts';
import { SAMPLE } from '../faults/matrix.ts';
import { matrixTests } from '../faults/matrix-tests.ts';

matrixTests(SAMPLE.slice(20));
killTests(1, 5);
