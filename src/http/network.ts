import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'

/** Longer than any address with a port and a zone; a proxy may send anything. */
const LONGEST = 100

/**
 * The key of one client: its IPv4 address, or the first 64 bits of its IPv6 address, because a subscriber is given at
 * least that many addresses to choose from. Each spelling of an address gives the same key, also with a port, as some
 * gateways write it in `X-Forwarded-For`. Text that is no address is its own key, without a port.
 */
export function networkOf (text: string): string {
  const address = addressOf(text)
  return isIPv6(address) ? `${groupsOf(address).slice(0, 4).map(hex).join(':')}::/64` : address
}

/**
 * Whether an address is one of the proxies, given as addresses and CIDRs. Fastify matches the text of each hop as it
 * stands in the header, where a hop with a port is none of its addresses.
 */
export function proxyMatcher (proxies: readonly string[]): (hop: string | undefined) => boolean {
  const list = new BlockList()
  for (const proxy of proxies) {
    const [written = '', length] = proxy.split('/')
    const address = addressOf(written)
    const bits = length === undefined ? undefined : Number(length)
    if (isIPv4(address)) list.addSubnet(address, bits === undefined ? 32 : written.includes(':') ? Math.max(0, bits - 96) : bits)
    else list.addSubnet(address, bits ?? 128, 'ipv6')
  }
  return (hop = '') => {
    const address = addressOf(hop)
    return isIP(address) !== 0 && list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
  }
}

/** The address alone, without brackets, port and zone; one mapped into IPv6 as the IPv4 address it is. */
function addressOf (text: string): string {
  const address = withoutPort(text.slice(0, LONGEST).trim()).split('%', 1)[0] as string
  if (!isIPv6(address)) return address
  const groups = groupsOf(address)
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)
  return isMapped ? groups.slice(6).flatMap((group) => [group >> 8, group & 0xff]).join('.') : address
}

/** `192.0.2.7:1001` and `[2001:db8::1]:1001` as the address before the port; a bare IPv6 address has none. */
function withoutPort (text: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1]
  if (bracketed !== undefined) return bracketed
  return isIPv6(text) ? text : text.replace(/:\d+$/, '')
}

/** The eight groups of a valid IPv6 address. */
function groupsOf (address: string): number[] {
  const [before = '', after] = address.split('::', 2)
  const first = parse(before)
  const last = after === undefined ? [] : parse(after)
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last]
}

/** A last part written as IPv4 stands for two groups. */
function parse (text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
    return [a << 8 | b, c << 8 | d]
  })
}

function hex (group: number): string {
  return group.toString(16)
}
