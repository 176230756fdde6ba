import { killTests } from './kill-tests.ts';

killTests(2, 100);
