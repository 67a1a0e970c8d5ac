/** The program of a broker process. Separate from `headgate`, so that it does not load the command line and the doors. */
import { runBrokerProgram } from './broker-program.ts';

runBrokerProgram();
