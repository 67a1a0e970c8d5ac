import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { controllerName, isControllerGone } from './controller-name.ts';

it('a controller is gone when its process has ended here', () => {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  expect(isControllerGone(`${hostname()}-${pid}`)).toBe(true);
  expect(isControllerGone(`${hostname()}-${process.ppid}`)).toBe(false);
  // Somebody had our id before us.
  expect(isControllerGone(controllerName())).toBe(true);
  expect(isControllerGone(`another-${pid}`)).toBe(false);
  expect(isControllerGone(`${hostname()}-${pid}x`)).toBe(false);
  expect(isControllerGone('controller')).toBe(false);
});
