/** A broker process as production composes it, over a disk with faults. */
import { standBy } from '../../bin/broker/stand-by.ts';
import { systemDisk } from '../../infra/disk/system-disk.ts';
import { faultyDisk } from './faulty-disk.ts';
import { faultsFolderVariable } from './rule.ts';

standBy(faultyDisk(systemDisk, process.env[faultsFolderVariable]!));
