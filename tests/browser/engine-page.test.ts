/**
 * The live engine page in a real browser, against a real installation: it opens with the key alone, shows zones and brokers,
 * follows a kill as it happens, and makes nothing of what hostile names say. `npm run screenshots` keeps its pictures.
 */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import type { EngineShown } from '../../gateway/admin/engine-schemas.ts';
import type { EventShown } from '../../gateway/admin/schemas.ts';
import { authorized, createTopic, demoAccess } from '../e2e/doors.ts';
import { startInstallation } from '../installation.ts';
import { complaintsOf, launchChromium } from './chromium.ts';

const images = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'docs', 'images');
const takesPictures = process.env['HEADGATE_SCREENSHOTS'] === '1';
const topics = { orders: 24, payments: 18, shipments: 12, 'clicks.eu': 24, 'clicks.us': 12 };
const wide = { width: 1440, height: 960 };

let instance: Instance;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  [instance, browser] = await Promise.all([startInstallation(['--brokers', '6']), launchChromium()]);
  for (const [name, partitions] of Object.entries(topics)) {
    await createTopic(instance, demoAccess(instance), name, partitions);
    const body = JSON.stringify({ records: Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: i })) });
    const headers = authorized(demoAccess(instance), { 'content-type': 'application/json' });
    await fetch(`${instance.http}/v1/topics/${name}/records`, { method: 'POST', headers, body });
  }
  context = await browser.newContext({ viewport: wide, deviceScaleFactor: 1, colorScheme: 'light' });
});
afterAll(async () => {
  await browser.close();
  await instance.remove();
});

const address = (): string => `${instance.environment['HEADGATE_ADMIN']}/engine`;
const adminKey = (): string => instance.environment['HEADGATE_ADMIN_KEY']!;

async function signIn(page: Page): Promise<void> {
  await page.goto(address());
  await page.getByLabel('Admin key').fill(adminKey());
  await page.getByRole('button', { name: 'Open the engine' }).click();
  await page.waitForSelector('body[data-view="engine"]');
}

const card = (page: Page, brokerId: number) => page.locator(`.broker[data-broker="${brokerId}"]`);

/** Activity for the pictures: records in and out of every topic until told to end. */
function traffic(): () => Promise<void> {
  const headers = authorized(demoAccess(instance), { 'content-type': 'application/octet-stream' });
  const value = Buffer.alloc(48 * 1024, 'headgate ');
  let isOver = false;
  const lanes = Object.keys(topics).flatMap((topic, weight) =>
    Array.from({ length: 2 + (weight % 3) }, async (_, lane) => {
      for (let n = 0; !isOver; n++) {
        const url = `${instance.http}/v1/topics/${topic}`;
        const key = { 'record-key': `${lane}-${n % 40}` };
        await (await fetch(url, { method: 'POST', headers: { ...headers, ...key }, body: value })).arrayBuffer();
        if (n % 3 === 0)
          await (await fetch(`${url}/records?from=earliest&max_bytes=131072`, { headers })).arrayBuffer();
      }
    }),
  );
  return async () => {
    isOver = true;
    await Promise.all(lanes);
  };
}

async function picture(page: Page, name: string, settleMs = 900): Promise<void> {
  if (!takesPictures) return;
  mkdirSync(images, { recursive: true });
  await page.waitForTimeout(settleMs);
  await page.screenshot({ path: join(images, name) });
}

describe('the engine page', () => {
  it('asks for nothing without a key, refuses a wrong one, and shows the fleet for the right one', async () => {
    const page = await context.newPage();
    const keyless: string[] = [];
    page.on('request', (request) => {
      const { authorization } = request.headers();
      if (request.url().includes('/admin/') && !authorization) keyless.push(request.url());
    });
    await page.goto(address());
    await page.waitForSelector('body[data-view="sign-in"]');
    await page.getByLabel('Admin key').fill('hga_wrong');
    await page.getByLabel('Admin key').press('Enter');
    await page.getByText('This is not the admin key.').waitFor();
    expect(await page.locator('.broker').count()).toBe(0);

    await signIn(page);
    await page.waitForFunction(() => document.querySelectorAll('.broker[data-state="serving"]').length === 6);
    expect(await page.locator('.zone-name').allTextContents()).toEqual(['Zone a', 'Zone b', 'Zone c']);
    expect(await page.locator('#figure-brokers').textContent()).toBe('6 / 6');
    // Tenants' partitions and those of committed offsets.
    expect(Number(await page.locator('#figure-partitions').textContent())).toBeGreaterThanOrEqual(90);
    expect(await page.locator('#verdict-text').textContent()).toBe('All zones serve');

    // The tab keeps the key over a reload, until told to forget it.
    await page.reload();
    await page.waitForSelector('body[data-view="engine"]');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.reload();
    await page.waitForSelector('body[data-view="sign-in"]');
    expect(keyless).toEqual([]);
    await page.close();
  });

  it('follows a kill as it happens: dead, why, and back', async () => {
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    await signIn(page);
    await page.waitForFunction(() => document.querySelectorAll('.broker[data-state="serving"]').length === 6);
    const endTraffic = takesPictures ? traffic() : undefined;
    if (takesPictures) await page.waitForTimeout(16_000);
    const victim = (await instance.brokers()).find(({ brokerId }) => brokerId === 2)!;
    await card(page, 2).evaluate((element) => {
      const seen: string[] = [];
      Object.assign(window, { statesSeen: seen });
      new MutationObserver(() => seen.push((element as HTMLElement).dataset['state']!)).observe(element, {
        attributeFilter: ['data-state'],
      });
    });
    process.kill(victim.pid, 'SIGKILL');
    await page.locator('.event[data-kind="broker-dead"]', { hasText: 'process ended' }).first().waitFor();
    await page.waitForFunction(() =>
      (window as unknown as { statesSeen: string[] }).statesSeen.join(' ').includes('fenced'),
    );
    // At once: a second later the broker is back.
    await picture(page, 'engine-kill.png', 350);
    await page.waitForFunction(() => (window as unknown as { statesSeen: string[] }).statesSeen.at(-1) === 'serving');
    await card(page, 2)
      .locator('.incident', { hasText: /Process ended, back in [\d.]+\sm?s/ })
      .waitFor();
    const dead = page.locator('.event[data-kind="broker-dead"]').first();
    expect(await dead.textContent()).toMatch(/Broker dead.*broker 2.*zone b.*process ended/);
    await page.locator('.event[data-kind="partitions-moved"]', { hasText: 'broker-dead' }).first().waitFor();
    // Each partition with its last move: those that came back at once tell of nothing else.
    await page
      .locator('#moves tr', { hasText: /broker-(dead|joined)/ })
      .first()
      .waitFor();
    const process2 = card(page, 2).locator('dd').nth(1);
    await page.waitForFunction(
      (old) => document.querySelectorAll('.broker[data-broker="2"] dd')[1]!.textContent !== old,
      String(victim.pid),
    );
    expect(await process2.textContent()).toMatch(/^\d+$/);
    if (takesPictures) await page.waitForTimeout(12_000);
    await picture(page, 'engine.png');
    await page.emulateMedia({ colorScheme: 'dark' });
    await picture(page, 'engine-dark.png');
    await endTraffic?.();
    expect(complaints).toEqual([]);
    await page.close();
  });

  it.each(['Live', 'Reconnecting'])(
    'fits every width from a phone to a wall display while it is %s',
    async (status) => {
      const page = await context.newPage();
      if (status !== 'Live') await page.route('**/admin/v1/events/stream', (route) => route.abort());
      await signIn(page);
      await page.locator('#live', { hasText: status }).waitFor();
      for (const width of [360, 560, 800, 1040, 1280, 1920]) {
        await page.setViewportSize({ width, height: 900 });
        await page.waitForFunction((wanted) => window.innerWidth === wanted, width);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(over, `${width} px`).toBeLessThanOrEqual(0);
      }
      await page.close();
    },
  );

  it('shows hostile names as plain text', async () => {
    const hostile = `"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'`;
    const page = await context.newPage();
    await page.route('**/admin/v1/engine', async (route) => {
      const response = await route.fetch();
      const engine = (await response.json()) as EngineShown;
      const broker = engine.brokers[0]!;
      const state: EngineShown = {
        ...engine,
        zones: [{ zone: hostile, state: 'serving', brokers: 1, serving: 1, partitions: 1 }],
        brokers: [{ ...broker, zone: hostile }],
        moves: [
          {
            clusterId: hostile,
            topic: hostile,
            internal: false,
            partition: 0,
            broker: 1,
            zone: hostile,
            epoch: 1,
            reason: hostile,
            movedAtMs: engine.atMs,
          },
        ],
        controllers: [{ controllerId: hostile, alive: true, shards: 1, keepsFleet: true }],
        shards: [{ index: 0, controllerId: hostile, epoch: 1 }],
      };
      await route.fulfill({ response, json: state });
    });
    await page.route('**/admin/v1/events?*', async (route) => {
      const event: EventShown = {
        id: '1-1',
        seq: 1,
        atMs: 1,
        kind: hostile,
        reason: hostile,
        brokerId: 1,
        zone: hostile,
        detail: { [hostile]: hostile },
      };
      await route.fulfill({ json: { items: [event] } });
    });
    await signIn(page);
    // The oldest event is the hostile one: what really happened comes on top of it.
    for (const place of ['.zone-name', '.event-reason', '.move-topic', '.move-reason', '.controller-id']) {
      expect(await page.locator(place).last().textContent(), place).toContain(hostile);
    }
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
    await page.close();
  });
});
