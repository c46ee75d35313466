// Holds the dashboards against Grafana's own types of a classic dashboard, and their units against Grafana's list. See README.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const FOLDER = new URL('../dashboards/', import.meta.url);
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
// Enumerations are strings in JSON, and what a document may have beyond the types is each plugin's.
const LOOSE = `import type { Dashboard } from '@grafana/schema';
type Loose<T> = T extends string ? \`\${T}\` : T extends (infer U)[] ? readonly Loose<U>[] : T extends object ? { [K in keyof T]: Loose<T[K]> } : T;
`;

mkdirSync('checked', { recursive: true });
for (const name of names) {
  const text = readFileSync(new URL(name, FOLDER), 'utf8').trim();
  writeFileSync(`checked/${name}.ts`, `${LOOSE}const document = ${text} as const;\nexport const checked: Loose<Dashboard> = document;\n`);
}
const options = ['--noEmit', '--skipLibCheck', '--strict', '--moduleResolution', 'bundler', '--module', 'esnext', '--target', 'es2022'];
execFileSync('node_modules/.bin/tsc', [...options, ...names.map((name) => `checked/${name}.ts`)], { stdio: 'inherit' });

globalThis.navigator ??= { userAgent: '', languages: ['en'] };
const { getValueFormats } = createRequire(import.meta.url)('@grafana/data');
const known = new Set(getValueFormats().flatMap((group) => group.submenu.map((format) => format.value)));
const units = (node) =>
  node && typeof node === 'object'
    ? Object.entries(node).flatMap(([key, value]) => (key === 'unit' ? [value] : node.id === 'unit' && key === 'value' ? [value] : units(value)))
    : [];
const unknown = names.flatMap((name) => units(JSON.parse(readFileSync(new URL(name, FOLDER)))).filter((unit) => !known.has(unit)));
if (unknown.length) throw new Error(`units that Grafana does not know: ${unknown.join(', ')}`);
console.log(`${names.length} dashboards are of Grafana's types; their units are among its ${known.size}`);
