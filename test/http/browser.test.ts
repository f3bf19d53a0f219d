import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { BrowserBroken, CHROMIUM, showPlainPage, startChromium, type Tab } from '../harness/fixtures/chromium.ts'
import { startPrefixProxy } from '../harness/prefix-proxy.ts'
import { startService, type LogLine } from '../harness/service.ts'

const skip = CHROMIUM === undefined && 'Chromium is not installed: apt-get install chromium'
t.setTimeout(480_000)

/** `SCREENSHOTS=folder` keeps what was seen, for somebody to look at. */
const folder = process.env.SCREENSHOTS
async function keep (tab: Tab, name: string): Promise<void> {
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.png`), await tab.screenshot())
}

/** All that is not the service's own, and was asked for nevertheless. */
const foreign = (tab: Tab, url: string) =>
  tab.requested.filter((address) => !address.startsWith(`${url}/`) && !address.startsWith('data:'))

t.test('in a real browser', { skip, timeout: 190_000 }, async (t) => {
  let broken = false
  const check = async () => { if (broken) throw new Error('of no concern to anybody: password=hunter2') }
  const { app, lines } = await startServiceWith(check)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const openTab = await startChromium(t).catch((error: unknown) => {
    if (error instanceof BrowserBroken) return error
    throw error
  })
  if (openTab instanceof BrowserBroken) {
    t.pass('nothing was looked at', { skip: `Chromium does not work here: ${openTab.message}` })
    return
  }

  /**
   * Looks at a page. Where the browser fails in it and then at a plain page too, that is no finding about ours: it is
   * said, and skipped.
   */
  async function look (name: string, see: (t: Test) => Promise<void>): Promise<void> {
    await t.test(name, async (t) => await see(t).catch(async (error: unknown) => {
      if (!(error instanceof BrowserBroken)) throw error
      await showPlainPage(openTab as () => Promise<Tab>).then(() => { throw error }, (broken: Error) => {
        t.pass('not looked at', {
          skip: `Chromium does not work here: ${error.message}; then, at a plain page: ${broken.message}`
        })
      })
    }))
  }

  async function startServiceWith (look: () => Promise<void>) {
    return await startService(t, {
      parts: {
        checks: [
          { name: 'database', critical: true, look },
          { name: 'event_loop', critical: false, look: async () => {} }
        ]
      }
    })
  }

  await look(
    '/docs shows every operation under its policy, loads nothing from elsewhere, and can send a request',
    async (t) => {
      const tab = await openTab()
      await tab.send('Emulation.setDeviceMetricsOverride', {
        width: 1280,
        height: 900,
        deviceScaleFactor: 1,
        mobile: false
      })
      await tab.open(`${url}/docs`)
      await tab.until('document.querySelectorAll(".opblock").length > 0')
      const operations = await tab.evaluate<number>(
        'fetch("/docs/json").then((response) => response.json()).then(({ paths }) => Object.values(paths).flatMap(Object.keys).length)'
      )
      t.equal(await tab.evaluate('document.querySelectorAll(".opblock").length'), operations)
      await keep(tab, 'docs')

      t.match(await tryOut(tab, 'getServiceInfo'), /^200/)
      await tab.evaluate('document.querySelector("#operations-Operations-getServiceInfo").scrollIntoView()')
      await keep(tab, 'docs-tried')
      t.ok(
        lines.some(
          (line: LogLine) => line.message === 'request completed' && line.path === '/' && line.status_code === 200
        )
      )
      t.same(tab.complaints, [])
      t.same(foreign(tab, url), [])
    }
  )

  const behind = await startPrefixProxy(t, url, '/trainer')
  for (const scheme of ['light', 'dark'] as const) {
    await look(`behind a proxy that adds a prefix, every page works as without: ${scheme}`, async (t) => {
      for (const path of ['/docs', '/docs/']) {
        const tab = await openTab()
        await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
        await tab.open(`${behind}${path}`)
        await tab.until('document.querySelectorAll(".opblock").length > 0')
        t.ok(await tab.evaluate('[...document.styleSheets].every((sheet) => sheet.cssRules.length > 0)'), 'it has its style')
        t.match(await tryOut(tab, 'getServiceInfo'), /^200/)
        await keep(tab, `docs-prefix-${scheme}`)
        t.same(tab.complaints, [], path)
        t.same(foreign(tab, behind), [], path)
      }
      const tab = await openTab()
      await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
      await tab.open(`${behind}/health`)
      await tab.until('document.querySelector("polyline").points.length >= 2')
      t.equal(await tab.evaluate('document.querySelector("#status").textContent'), 'Healthy')
      t.same(
        await tab.evaluate('[...document.querySelectorAll("a")].map(({ href }) => href)'),
        [`${behind}/docs`, `${behind}/metrics`]
      )
      t.same(tab.complaints, [])
      t.same(foreign(tab, behind), [])
    })
  }

  const views = [['light', 1280], ['dark', 1280], ['light', 360], ['dark', 360]] as const
  for (const [scheme, width] of views) {
    await look(`/health is a page for people: ${scheme}, ${width} pixels wide`, async (t) => {
      const tab = await openTab()
      await tab.send('Emulation.setDeviceMetricsOverride', {
        width,
        height: 780,
        deviceScaleFactor: 1,
        mobile: width < 600
      })
      await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
      await tab.open(`${url}/health`)
      t.equal(await tab.evaluate('document.querySelector("#status").textContent'), 'Healthy')
      t.match(await tab.evaluate('document.title'), /^Healthy – /)
      t.equal(await tab.evaluate('document.querySelectorAll("tbody tr").length'), 2)
      // It asks again by itself, and draws.
      await tab.until(
        '!document.querySelector("#history").hidden && document.querySelector("polyline").points.length >= 2'
      )
      await keep(tab, `health-${scheme}-${width}`)
      t.ok(await tab.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'nothing is wider than the screen')
      for (const selector of ['h1 .state', 'tbody th', 'dt', '.figure', 'a']) {
        t.ok(
          ((await tab.evaluate(`(${contrast})(document.querySelector(${JSON.stringify(selector)}))`)) as number) >= 4.5,
          `${selector} can be read`
        )
      }
      t.same(tab.complaints, [])
      t.same(foreign(tab, url), [])
    })
  }

  await look('/health updates itself, and reveals no internals', async (t) => {
    const tab = await openTab()
    await tab.open(`${url}/health`)
    broken = true
    await tab.until('document.querySelector("#status").textContent === "Unhealthy"')
    t.match(await tab.evaluate('document.title'), /^Unhealthy – /)
    t.equal(await tab.evaluate('document.querySelector("[data-check=database] .state").dataset.status'), 'unhealthy')
    t.notMatch(await tab.evaluate('document.documentElement.outerHTML'), /hunter2/)
    await keep(tab, 'health-unhealthy')
    broken = false
    await tab.until('document.querySelector("#status").textContent === "Healthy"')
    // Of an answer of 503 the browser says so itself.
    t.same(tab.complaints.filter((complaint) => !/status of 503/.test(complaint)), [])
  })
})

/** Tries an operation of /docs out, without parameters: “Try it out”, then “Execute”. Answers the status shown. */
async function tryOut (tab: Tab, operationId: string): Promise<string> {
  const block = `document.querySelector("#operations-Operations-${operationId}")`
  await tab.evaluate(`${block}.querySelector(".opblock-summary-control").click()`)
  await tab.until(`${block}.querySelector(".try-out__btn")`)
  await tab.evaluate(`${block}.querySelector(".try-out__btn").click()`)
  await tab.until(`${block}.querySelector(".execute")`)
  await tab.evaluate(`${block}.querySelector(".execute").click()`)
  const status = `${block}.querySelector(".live-responses-table tbody .response-col_status")`
  await tab.until(status)
  return await tab.evaluate(`${status}.textContent`)
}

/** The contrast of a text to what is behind it, as WCAG 2 counts it; 4.5 can be read by most. Run in the page. */
const contrast = `(element) => {
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number)
  let behind = element
  while (behind !== document.documentElement && rgb(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement
  const luminance = ([red, green, blue]) => [red, green, blue].map((value) => value / 255).map((value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0)
  const [one, other] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map((color) => luminance(rgb(color)) + 0.05)
  return Math.max(one, other) / Math.min(one, other)
}`
