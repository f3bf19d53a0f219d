import { tidyText } from '../files/unreadable.ts'
import { sportOfText, type Sport } from '../sports.ts'
import { tidyNotes, type ExportDetails } from './details.ts'

/** Where the columns of an `activities.csv` are; undefined: it has none. */
export interface StravaColumns {
  file: number
  name: number | undefined
  sport: number | undefined
  notes: number | undefined
  gear: number | undefined
  race: number | undefined
  /** The kind of a run or a ride, as a number or a word. */
  kind: number | undefined
}

/** The columns that the headers of all languages begin with: the file is the 13th, formerly the 10th. */
const ORDER = { name: 2, sport: 3, notes: 4 }
const RECORDING = /\.(fit|gpx|tcx)(\.gz)?$/i
const YES = new Set(['true', 'yes', '1', '1.0'])
/** Strava's numbers of a race: of runs and of rides. */
const RACES = new Set(['1', '1.0', '11', '11.0', 'race'])

/** Headers that are known by name, in lower case. Strava writes them in the language of the runner. */
const HEADERS = {
  file: ['filename', 'dateiname', 'nom du fichier', 'nombre de archivo', 'nome file', 'nome do arquivo', 'bestandsnaam', 'název souboru', 'nazwa pliku'],
  name: ['activity name', 'name der aktivität', "nom de l'activité", 'nombre de la actividad', 'nome attività', 'nome da atividade', 'naam activiteit', 'název aktivity', 'nazwa aktywności'],
  sport: ['activity type', 'aktivitätsart', "type d'activité", 'tipo de actividad', 'tipo attività', 'tipo de atividade', 'activiteitstype', 'typ aktivity', 'typ aktywności'],
  notes: ['activity description', 'beschreibung der aktivität', 'aktivitätsbeschreibung', "description de l'activité", 'descripción de la actividad', 'descrizione attività', 'descrição da atividade', 'beschrijving activiteit', 'popis aktivity', 'opis aktywności'],
  gear: ['activity gear', 'ausrüstung für aktivität', "équipement de l'activité", 'equipamiento de la actividad', 'equipo de la actividad', 'attrezzatura attività', 'equipamento da atividade', 'uitrusting activiteit', 'vybavení na aktivitu', 'sprzęt aktywności'],
  race: ['competition', 'wettkampf', 'compétition', 'competición', 'competizione', 'gara', 'competição', 'wedstrijd', 'závod', 'zawody'],
  kind: ['type']
} as const satisfies Record<keyof StravaColumns, readonly string[]>

/**
 * Finds the columns: by their headers, of several with one name the first; by their order where the language is not
 * known. A `row` that names a file tells the column of the files in each language. Undefined: there is none.
 */
export function stravaColumns (header: readonly string[], row: readonly string[]): StravaColumns | undefined {
  const titles = header.map((title) => title.trim().toLowerCase().replaceAll('’', "'"))
  const named = (column: keyof typeof HEADERS): number | undefined => {
    const at = titles.findIndex((title) => (HEADERS[column] as readonly string[]).includes(title))
    return at === -1 ? undefined : at
  }
  const file = named('file') ?? fileColumn(row)
  if (file === undefined) return undefined
  // The order counts only where no header is known and the file is where Strava has it.
  const known = (['name', 'sport', 'notes', 'gear'] as const).some((column) => named(column) !== undefined)
  const ordered = !known && (file === 12 || file === 9)
  return {
    file,
    name: named('name') ?? (ordered ? ORDER.name : undefined),
    sport: named('sport') ?? (ordered ? ORDER.sport : undefined),
    notes: named('notes') ?? (ordered ? ORDER.notes : undefined),
    gear: named('gear') ?? (ordered ? file - 1 : undefined),
    race: named('race'),
    kind: named('kind')
  }
}

function fileColumn (row: readonly string[]): number | undefined {
  const at = row.findIndex((value) => RECORDING.test(value.trim()))
  return at === -1 ? undefined : at
}

/** What a row says, and of which file: the last part of its path, in lower case. Undefined: of none. */
export function stravaDetails (
  columns: StravaColumns,
  row: readonly string[]
): { file: string, details: ExportDetails } | undefined {
  const value = (at: number | undefined): string => (at === undefined ? '' : row[at] ?? '').trim()
  const file = value(columns.file).split(/[/\\]/).at(-1)!.toLowerCase()
  if (!RECORDING.test(file)) return undefined
  return {
    file,
    details: {
      name: tidyText(value(columns.name)),
      notes: tidyNotes(value(columns.notes)),
      gear: tidyText(value(columns.gear)),
      is_race: YES.has(value(columns.race).toLowerCase()) || RACES.has(value(columns.kind).toLowerCase()),
      sport: sportOf(value(columns.sport))
    }
  }
}

function sportOf (text: string): Sport | null {
  const { sport, known } = sportOfText(text)
  return known && sport !== 'other' ? sport : null
}
