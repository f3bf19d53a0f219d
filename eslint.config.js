import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', 'data/**', 'logs/**', '.tap/**', 'bench/node_modules/**'] }),
  {
    rules: {
      // A schema and its type share one name.
      'no-redeclare': 'off',
      '@typescript-eslint/no-redeclare': 'off'
    }
  }
]
