import { matrixTests } from './matrix-tests.ts';

matrixTests(1, 2);
