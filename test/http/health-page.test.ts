import t from 'tap'
import { prefersHtml } from '../../src/http/accept.ts'
import { inject, startService } from '../harness/service.ts'

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8'

t.test('HTML is sent to clients that prefer it, JSON to all others', async (t) => {
  const table: Array<[accept: string | undefined, html: boolean]> = [
    [undefined, false],
    ['', false],
    ['*/*', false],
    ['application/json', false],
    ['text/plain', false],
    [BROWSER, true],
    ['text/html', true],
    ['TEXT/HTML', true],
    ['text/*', true],
    ['text/html;q=0', false],
    ['text/html;q=0.5, application/json', false],
    ['text/html, application/json;q=0.9', true],
    ['text/html, application/json', false],
    ['text/html;q=0.1, */*;q=0.2', false],
    ['text/html;level=1;q=0.4, */*;q=0.1', true],
    ['text/html;q=x', false],
    ['application/*;q=0.3, text/html;q=0.4', true]
  ]
  for (const [accept, html] of table) t.equal(prefersHtml(accept), html, String(accept))
})

t.test(
  '/health has a page with the usual content security policy and the status of the JSON response',
  async (t) => {
    let failure: Error | undefined
    const checks = [
      {
        name: 'a <b>& check',
        critical: true,
        look: async () => {
          if (failure !== undefined) throw failure
        }
      }
    ]
    const { app, lines } = await startService(t, { env: { APP_NAME: 'Trainer <script>' }, parts: { checks } })
    const ask = async (method: 'GET' | 'HEAD', accept?: string, url = '/health') =>
      await inject(app, { method, url, headers: accept === undefined ? {} : { accept } })
    for (const status of [200, 503]) {
      for (const [accept, type] of [
        [undefined, 'application/json; charset=utf-8'],
        ['*/*', 'application/json; charset=utf-8'],
        [BROWSER, 'text/html; charset=utf-8']
      ] as const) {
        for (const method of ['GET', 'HEAD'] as const) {
          const { headers, raw, ...answer } = await ask(method, accept)
          t.equal(answer.status, status)
          t.match(headers, {
            'content-type': type,
            vary: 'Accept',
            'cache-control': 'no-store',
            'content-security-policy': "default-src 'self'",
            'x-frame-options': 'DENY'
          })
          t.equal(raw.length > 0, method === 'GET')
        }
      }
      failure = new Error('password=hunter2')
      // A result is good for a second.
      while ((await app.health.report()).status === 'healthy') {
        await new Promise((resolve) => {
          setTimeout(resolve, 50)
        })
      }
    }
    const { body: page } = await ask('GET', BROWSER)
    t.match(page, 'Trainer &lt;script&gt;')
    t.match(page, 'a &lt;b&gt;&amp; check')
    t.notMatch(page, /hunter2|<b>|<script>|\son\w+=|style=|https?:/)
    const files = [...page.matchAll(/(?:src|href)="(health\/[^"]+)"/g)].map(([, file]) => `/${file}`)
    t.equal(files.length, 3)
    for (const file of files) {
      const { status, headers, raw } = await ask('GET', undefined, file)
      t.equal(status, 200, file)
      t.match(headers['content-type'], /^(text\/(css|javascript)|image\/svg)/)
      t.notMatch(raw.toString(), /url\(|@import|https?:\/\/(?!www\.w3\.org)/, 'nothing from elsewhere')
    }
    const told = lines.filter(
      ({ message, path }) => message === 'request completed' && String(path).startsWith('/health')
    )
    t.ok(told.length > 12)
    t.same([...new Set(told.map(({ level }) => level))], ['DEBUG'])
  }
)

t.test('with a list of allowed origins, Vary names both Origin and Accept', async (t) => {
  const { app } = await startService(t, { env: { ALLOWED_ORIGINS: 'https://a.example' } })
  const { headers } = await inject(app, { method: 'GET', url: '/health', headers: { origin: 'https://a.example' } })
  t.equal(headers.vary, 'Origin, Accept')
})
