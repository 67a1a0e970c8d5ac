/** The program of a broker process. Apart from `headgate`, so that it loads nothing of the command line and the doors. */
import { runBrokerProgram } from './broker-program.ts';

runBrokerProgram();
