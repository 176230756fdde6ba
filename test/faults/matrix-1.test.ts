import { MATRIX } from './matrix.ts';
import { matrixTests } from './matrix-tests.ts';

matrixTests(MATRIX.filter((_, index) => index % 2 === 0));
