/** The program of a broker process. Apart from `headgate`, so that it loads nothing of the command line and the doors. */
import { systemDisk } from '../infra/disk/system-disk.ts';
import { standBy } from './stand-by.ts';

standBy(systemDisk);
