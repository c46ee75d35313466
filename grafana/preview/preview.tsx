// A preview of the dashboards by Grafana's own panel components, outside of Grafana, from what real engines answered. See README.md.
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import { createRoot } from 'react-dom/client';
import { createTheme, FieldType, getDisplayProcessor, ThemeContext, toDataFrame } from '@grafana/data';
import { BigValue, BigValueColorMode, GlobalStyles, LegendDisplayMode, PanelChrome, PortalContainer, Table, TimeSeries } from '@grafana/ui';

const parameters = new URLSearchParams(location.search);
const theme = createTheme({ colors: { mode: parameters.get('theme') === 'light' ? 'light' : 'dark' } });
const CELL = { width: 60, height: 38, gap: 8 };
const HIDDEN = ['Time', '__name__'];

type Answer = { series?: any[]; columns?: string[]; rows?: any[][] };
type Shown = { panel: any; answers: Answer[] };

/** As Grafana's time series do: what is no number is a gap. */
function finite(text: string) {
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/** A field as the panel's defaults and overrides want it. */
function field(panel: any, name: string, type: FieldType, values: any[]) {
  const isFigure = panel.type === 'stat' || panel.type === 'gauge';
  const color = { mode: isFigure ? 'thresholds' : 'palette-classic' };
  const config: any = { color, ...panel.fieldConfig.defaults, displayName: name };
  delete config.links;
  for (const override of panel.fieldConfig.overrides) {
    if (override.matcher.options === name) {
      for (const { id, value } of override.properties) {
        if (id.startsWith('custom.')) config.custom = { ...config.custom, [id.slice(7)]: value };
        else if (id !== 'links') config[id] = value;
      }
    }
  }
  if (type !== FieldType.number) delete config.unit;
  return { name, type, values, config };
}

function frame(fields: any[], seriesIndex = 0) {
  const made = toDataFrame({ fields });
  for (const each of made.fields) {
    each.state = { seriesIndex };
    each.display = getDisplayProcessor({ field: each, theme, timeZone: 'utc' });
  }
  return made;
}

function legend(target: any, labels: Record<string, string>) {
  if (!target.legendFormat || target.legendFormat === '__auto') return Object.values(labels).join(' ') || 'value';
  return target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_: string, label: string) => labels[label] ?? '') || 'value';
}

function timeSeriesFrames({ panel, answers }: Shown) {
  let number = 0;
  return answers.flatMap((answer, index) => {
    const target = panel.targets[index];
    if (answer.series) {
      return answer.series.map((series) => {
        const points = series.values ?? [series.value];
        return frame([
          { name: 'Time', type: FieldType.time, values: points.map((point: any) => point[0] * 1000), config: {} },
          field(panel, legend(target, series.metric), FieldType.number, points.map((point: any) => finite(point[1]))),
        ], number++);
      });
    }
    const [time, metric] = [answer.columns!.indexOf('time'), answer.columns!.indexOf('metric')];
    const value = answer.columns!.length - 1;
    const names = metric < 0 ? [answer.columns![value]] : [...new Set(answer.rows!.map((row) => row[metric]))];
    return names.map((name) => {
      const rows = metric < 0 ? answer.rows! : answer.rows!.filter((row) => row[metric] === name);
      return frame([
        { name: 'Time', type: FieldType.time, values: rows.map((row) => row[time]), config: {} },
        field(panel, name, FieldType.number, rows.map((row) => row[value])),
      ], number++);
    });
  });
}

/** All answers as one table: metrics joined by their labels, as the transformation `merge` does; columns renamed by `organize`. */
function tableFrame({ panel, answers }: Shown) {
  const organize = panel.transformations.find((each: any) => each.id === 'organize')?.options;
  let columns: string[] = [];
  let rows: any[][] = [];
  if (answers[0]?.columns) {
    ({ columns, rows } = answers[0] as any);
  } else {
    const labels = [...new Set(answers.flatMap((answer) => answer.series!.flatMap((each) => Object.keys(each.metric))))];
    const values = answers.length === 1 ? ['Value'] : answers.map((_, index) => `Value #${String.fromCharCode(65 + index)}`);
    const merged = new Map<string, any[]>();
    answers.forEach((answer, index) => {
      for (const series of answer.series!) {
        const key = labels.map((name) => series.metric[name]);
        const row = merged.get(key.join()) ?? [...key, ...values.map(() => null)];
        row[labels.length + index] = Number(series.value[1]);
        merged.set(key.join(), row);
      }
    });
    columns = [...labels, ...values];
    rows = [...merged.values()].filter((row) => row[labels.length] !== null);
  }
  const fields = columns.map((name, index) => {
    const cells = rows.map((row) => row[index]);
    const isTime = ['created_at', 'time'].includes(name);
    const isNumber = cells.some((cell) => typeof cell === 'number');
    const type = isTime ? FieldType.time : isNumber ? FieldType.number : FieldType.string;
    return field(panel, organize?.renameByName?.[name] ?? name, type, cells);
  });
  return frame(fields.filter((each) => !HIDDEN.includes(each.name)));
}

function figure({ panel, answers }: Shown) {
  const answer = answers[0];
  const value = answer.series ? Number(answer.series[0]?.value?.[1]) : answer.rows![0]?.at(-1);
  const made = frame([field(panel, 'value', FieldType.number, [value])]);
  return made.fields[0].display!(value);
}

function Body({ shown, width, height, times }: { shown: Shown; width: number; height: number; times: any }) {
  const { panel, answers } = shown;
  if (answers.length && !answers.some((each) => each.series || each.columns)) {
    return <Absent text="traces: not in this preview" />;
  }
  if (panel.type === 'stat' || panel.type === 'gauge') {
    return <BigValue width={width} height={height} value={figure(shown)} theme={theme} colorMode={BigValueColorMode.Value} />;
  }
  if (panel.type === 'table') {
    return <Table data={tableFrame(shown)} width={width} height={height} />;
  }
  if (panel.type === 'timeseries') {
    const frames = timeSeriesFrames(shown);
    return (
      <TimeSeries
        frames={frames} width={width} height={height} timeRange={reaching(frames, times)} timeZone="utc" structureRev={1} options={{}}
        legend={{ displayMode: LegendDisplayMode.List, placement: 'bottom', calcs: [], showLegend: true }}
        replaceVariables={(text: string) => text}
      />
    );
  }
  return <Absent text={`${panel.type}: not in this preview`} />;
}

/** The chosen time, and as much around it as an hour has whose sum is shown: a play takes minutes. */
function reaching(frames: any[], times: any) {
  const shown = frames.flatMap((each) => each.fields[0].values);
  const first = Math.min(times.from.valueOf(), ...shown);
  const last = Math.max(times.to.valueOf(), ...shown);
  return { ...times, from: { ...times.from, valueOf: () => first }, to: { ...times.to, valueOf: () => last } };
}

function Absent({ text }: { text: string }) {
  return <div style={{ padding: 20, color: theme.colors.text.secondary }}>{text}</div>;
}

async function main() {
  const name = parameters.get('d')!;
  document.body.style.background = theme.colors.background.canvas;
  // Grafana measures its figures by this font: with another one they run out of their panels.
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 16px Inter`)));
  const data = await (await fetch('data.json')).json();
  const range: any = { from: new Date(data.from), to: new Date(data.to) };
  const moment = (at: Date) => ({ valueOf: () => at.valueOf(), isValid: () => true });
  const times = { from: moment(range.from), to: moment(range.to), raw: { from: 'now-5m', to: 'now' } };
  const shown: Shown[] = data.panels[name];
  const bottom = Math.max(...shown.map(({ panel }) => panel.gridPos.y + panel.gridPos.h));
  createRoot(document.getElementById('root')!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: 'relative', width: 24 * CELL.width + CELL.gap, height: bottom * CELL.height + 50 }}>
        <div style={{ padding: '12px 12px', fontSize: 20 }}>
          {data.titles[name]} <small style={{ color: theme.colors.text.secondary }}>(preview by Grafana's panel components)</small>
        </div>
        {shown.map(({ panel, answers }) => {
          const { x, y, w, h } = panel.gridPos;
          const place = { left: x * CELL.width + CELL.gap, top: y * CELL.height + 46 };
          const [width, height] = [w * CELL.width - CELL.gap, h * CELL.height - CELL.gap];
          return (
            <div key={panel.id} style={{ position: 'absolute', ...place, width, height }}>
              {panel.type === 'row' ? (
                <div style={{ paddingTop: 6, color: theme.colors.text.secondary }}>{panel.title}</div>
              ) : (
                <PanelChrome title={panel.title.replace('$currency', 'USD')} width={width} height={height} padding="md">
                  {(innerWidth, innerHeight) => (
                    <Body shown={{ panel, answers }} width={innerWidth} height={innerHeight} times={times} />
                  )}
                </PanelChrome>
              )}
            </div>
          );
        })}
      </div>
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

main();
