import { domainToASCII } from 'node:url'

/**
 * The canonical form of an e-mail address, which all its spellings share: lower case, Unicode composed (NFKC), the
 * domain in ASCII as in DNS. Dots and `+tags` stay, because only some providers ignore them.
 */
export function canonicalAddress (email: string): string {
  const composed = email.normalize('NFKC').toLowerCase().normalize('NFKC')
  const at = composed.lastIndexOf('@')
  const domain = composed.slice(at + 1)
  return `${composed.slice(0, at)}@${domainToASCII(domain) || domain}`
}
