/** The next step of a run. */
import type { Draw } from '../fuzz/draw.ts';
import { drawAdmin } from './draw-admin.ts';
import {
  drawDeleteRecords,
  drawFetch,
  drawInitProducerId,
  drawListOffsets,
  drawOffsetForLeaderEpoch,
  drawProduce,
} from './draw-data.ts';
import { drawGroup } from './draw-groups.ts';
import type { Model } from './model.ts';
import type { Step } from './steps.ts';

export function drawStep(draw: Draw, model: Model): Step {
  if (model.living.length === 0) return drawAdmin(draw, model);
  const part = draw.below(100);
  if (part < 35) return drawGroup(draw, model);
  if (part < 58) return drawAdmin(draw, model);
  if (part < 76) return drawProduce(draw, model);
  if (part < 88) return drawFetch(draw, model);
  if (part < 92) return drawListOffsets(draw, model);
  if (part < 95) return drawDeleteRecords(draw, model);
  if (part < 97) return drawOffsetForLeaderEpoch(draw, model);
  return drawInitProducerId(draw, model);
}
