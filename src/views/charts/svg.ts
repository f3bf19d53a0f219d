import { rounded } from '../../domain/units.ts'

/** An attribute's value; undefined: without it. */
type Value = string | number | undefined

/** Text as the content of an element or the value of an attribute. */
export function escaped (text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
    // eslint-disable-next-line no-control-regex
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '')
}

/** An element of an SVG; its children are elements or {@link escaped} text. Numbers keep one decimal. */
export function element (name: string, attributes: Record<string, Value>, ...children: string[]): string {
  const written = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}="${escaped(typeof value === 'number' ? digits(value) : value)}"`])
  const start = `<${name}${written.join('')}`
  return children.length === 0 ? `${start}/>` : `${start}>${children.join('')}</${name}>`
}

function digits (value: number): string {
  return String(rounded(value, 1))
}
