import { domainToASCII } from 'node:url'

/**
 * The one form under which two spellings of an e-mail address are the same: no regard to case, Unicode composed (NFKC),
 * the domain as the name servers have it. Dots and `+tags` stay: that they do not count is the rule of some providers
 * only.
 */
export function canonicalAddress (email: string): string {
  const composed = email.normalize('NFKC').toLowerCase().normalize('NFKC')
  const at = composed.lastIndexOf('@')
  const domain = composed.slice(at + 1)
  return `${composed.slice(0, at)}@${domainToASCII(domain) || domain}`
}
