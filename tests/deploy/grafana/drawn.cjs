// What Grafana's own library makes of panels and the answers of Prometheus: of each value its text and its colour.
// In: {"panels": [{"panel": <of a dashboard's JSON>, "answers": {refId: [{"labels": {...}, "points": [[seconds, value], ...]}]}}]}.
// Out: for each panel the series, or the columns of a table: {"name", "colour", "points": [[seconds, value, text, colour], ...]}.
"use strict";
globalThis.window = globalThis;
Object.defineProperty(globalThis, "navigator", { value: { language: "en", languages: ["en"] }, configurable: true });
const data = require("@grafana/data");
const { firstValueFrom } = require("rxjs");
const fs = require("node:fs");

const OPTIONS = {
  unit: data.unitOverrideProcessor,
  min: data.numberOverrideProcessor,
  max: data.numberOverrideProcessor,
  decimals: data.numberOverrideProcessor,
  displayName: data.displayNameOverrideProcessor,
  noValue: data.stringOverrideProcessor,
  color: data.identityOverrideProcessor,
  thresholds: data.thresholdsOverrideProcessor,
  mappings: data.valueMappingsOverrideProcessor,
};
const option = (id, path, isCustom, process) => ({
  id, path, isCustom, name: id, process, shouldApply: () => true, getItemsCount: () => 0, override: () => null, editor: () => null,
});
data.standardFieldConfigEditorRegistry.setInit(() => [
  ...Object.entries(OPTIONS).map(([id, process]) => option(id, id, false, process)),
  option("custom.width", "width", true, data.identityOverrideProcessor),
  option("custom.cellOptions", "cellOptions", true, data.identityOverrideProcessor),
]);
const { mergeTransformer, organizeFieldsTransformer } = data.standardTransformers;
data.standardTransformersRegistry.setInit(() =>
  [mergeTransformer, organizeFieldsTransformer].map((each) => ({ ...each, transformation: each })),
);
const theme = data.createTheme();

// What the panels' own code has where the JSON says nothing.
const UNSAID = {
  stat: { color: { mode: "thresholds" } },
  bargauge: { color: { mode: "thresholds" } },
  gauge: { color: { mode: "thresholds" } },
  table: { color: { mode: "thresholds" } },
  "state-timeline": { color: { mode: "continuous-GrYlRd" } },
  timeseries: { color: { mode: "palette-classic" } },
};
const STEPS = { mode: "absolute", steps: [{ color: "green", value: -Infinity }, { color: "red", value: 80 }] };

function framesOf(panel, answers) {
  const several = panel.targets.length > 1;
  return panel.targets.flatMap((target) => {
    const series = answers[target.refId] ?? [];
    return panel.type === "table" ? tableOf(target, series, several) : series.map((one) => lineOf(target, one));
  });
}

function lineOf(target, { labels, points }) {
  const name = target.legendFormat.replace(/{{\s*(\w+)\s*}}/g, (_, label) => labels[label] ?? "");
  const values = points.map(([, value]) => value);
  return data.toDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: "time", values: points.map(([at_s]) => at_s * 1000) },
      { name: "Value", type: "number", values, labels, config: { displayNameFromDS: name } },
    ],
  });
}

function tableOf(target, series, several) {
  if (!series.length) return [];
  const names = [...new Set(series.flatMap((one) => Object.keys(one.labels)))];
  const last = (one) => one.points[one.points.length - 1];
  return [data.toDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: "time", values: series.map((one) => last(one)[0] * 1000) },
      ...names.map((name) => ({ name, type: "string", values: series.map((one) => one.labels[name] ?? "") })),
      { name: several ? `Value #${target.refId}` : "Value", type: "number", values: series.map((one) => last(one)[1]) },
    ],
  })];
}

async function drawn({ panel, answers }) {
  const frames = await firstValueFrom(data.transformDataFrame(panel.transformations ?? [], framesOf(panel, answers)));
  const said = panel.fieldConfig ?? { defaults: {}, overrides: [] };
  const defaults = structuredClone({ ...(UNSAID[panel.type] ?? {}), thresholds: STEPS, ...said.defaults });
  for (const step of defaults.thresholds.steps) step.value ??= -Infinity;
  const overrides = structuredClone(said.overrides ?? []);
  for (const each of overrides.flatMap((one) => one.properties)) {
    if (each.id === "thresholds") for (const step of each.value.steps) step.value ??= -Infinity;
  }
  const shown = data.applyFieldOverrides({
    data: frames, fieldConfig: { defaults, overrides }, replaceVariables: (text) => text, theme,
  });
  return shown.flatMap((frame) => {
    const times = frame.fields.find((each) => each.type === "time")?.values ?? [];
    return frame.fields.filter((each) => each.type !== "time" && !each.config.custom?.hidden).map((each) => ({
      name: data.getFieldDisplayName(each, frame, shown),
      colour: each.type === "number" ? data.getFieldSeriesColor(each, theme).color : null,
      painted: Boolean(each.config.custom?.cellOptions),
      points: each.values.map((value, place) => {
        const look = each.display(value);
        return [(times[place] ?? 0) / 1000, value ?? null, data.formattedValueToString(look), look.color ?? null];
      }),
    }));
  });
}

const named = Object.fromEntries(["green", "red", "orange", "blue", "yellow", "purple"].map((name) => [name, theme.visualization.getColorByName(name)]));
const asked = JSON.parse(fs.readFileSync(0, "utf8"));
Promise.all(asked.panels.map(drawn)).then((panels) => process.stdout.write(JSON.stringify({ named, panels })));
