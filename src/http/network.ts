/** Longer than any address; what a proxy says may be anything. */
const LONGEST = 64

/**
 * What counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address, as a subscriber is given at
 * least that many to choose from. What is neither is taken as it is.
 */
export function networkOf (address: string): string {
  const bare = address.slice(0, LONGEST).split('%', 1)[0] as string
  if (!bare.includes(':')) return bare
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1]
  if (mapped !== undefined) return mapped
  const [before = '', after] = bare.split('::', 2)
  const first = groups(before)
  const last = after === undefined ? [] : groups(after)
  const zeros = after === undefined ? 0 : Math.max(0, 8 - first.length - last.length)
  return [...first, ...Array<string>(zeros).fill('0'), ...last].slice(0, 4).join(':') + '::/64'
}

function groups (text: string): string[] {
  // A last part written as IPv4 stands for two groups, which never are among the first four.
  return text === ''
    ? []
    : text
      .split(':')
      .flatMap((group) => (group.includes('.') ? ['0', '0'] : [(group.replace(/^0+/, '') || '0').toLowerCase()]))
}
