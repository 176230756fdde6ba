import { matrixTests } from './matrix-tests.ts';

matrixTests(0, 2);
