import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['node_modules', 'eslint.config.js'] },
  {
    files: ['*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    // Playwright tells fixtures by destructuring, also an empty one.
    rules: { 'no-empty-pattern': 'off' },
  },
);
