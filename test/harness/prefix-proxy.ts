import { createServer, request as ask } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Ending } from './service.ts'

/**
 * A reverse proxy that serves `target` under `prefix` and takes the prefix off, as an ingress does; any other path is
 * 404. Answers the address with the prefix.
 */
export async function startPrefixProxy (t: Ending, target: string, prefix: string): Promise<string> {
  const server = createServer((request, response) => {
    const path = request.url as string
    if (path !== prefix && !path.startsWith(`${prefix}/`)) {
      response.writeHead(404).end()
      return
    }
    const { method, headers } = request
    const onward = ask(`${target}${path.slice(prefix.length) || '/'}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode as number, answer.rawHeaders)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`
}
