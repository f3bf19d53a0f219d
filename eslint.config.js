import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', 'data/**', 'logs/**', '.tap/**', 'bench/node_modules/**'] }),
  {
    rules: {
      // Texts and patterns are not broken where they are longer.
      'max-len': ['error', {
        code: 120, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true, ignoreUrls: true
      }],
      // Records are snake_case on the wire, in code and in the row.
      camelcase: 'off',
      // A schema and its type share one name.
      'no-redeclare': 'off',
      '@typescript-eslint/no-redeclare': 'off'
    }
  }
]
