/** The Content-Disposition of a file to be saved under a name, which may contain any character. */
export function attachment (name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\]/g, '_')
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(name)}`
}
