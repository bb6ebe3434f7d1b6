"""Makes Grafana's panels of our charts."""

from __future__ import annotations

from string import ascii_uppercase
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders.bargauge import Panel as Bars
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import DashboardLink, FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as Timeline
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as Lines
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.grafana.charts import Chart, Column, Draw, Meaning, Query, Step

#: The source that the person chooses.
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${source}")
#: Labels that every series has, and that say nothing to a reader of one site.
_EVERYWHERE: Final = ("Time", "instance", "job", "__name__")

Panel: TypeAlias = Lines | Timeline | Stat | Bars | Table


def panel_of(chart: Chart) -> Panel:
    """Return the panel of a chart; where it stands and its id are the dashboard's."""
    panel = _MAKERS[chart.draw](chart)
    panel.title(chart.title).description(chart.description).unit(chart.unit).no_value(chart.empty)
    panel.datasource(SOURCE).span(chart.width).height(chart.height)
    if chart.leads_to:
        panel.data_links([DashboardLink("Look at it").url(chart.leads_to)])
    if chart.decimals is not None:
        panel.decimals(chart.decimals)
    for letter, query in zip(ascii_uppercase, chart.queries, strict=False):
        panel.with_target(_target(query, letter, chart.draw))
    return panel


def _target(query: Query, letter: str, draw: Draw) -> Dataquery:
    """Return the query; over a range, a mode that ended would still stand beside the one of now."""
    target = Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter).datasource(SOURCE)
    if draw is Draw.TABLE:
        target.format(PromQueryFormat.TABLE)
    return target.range() if draw in {Draw.LINES, Draw.TIMELINE} else target.instant()


def _thresholds(steps: tuple[Step, ...]) -> ThresholdsConfig:
    listed = [Threshold(value=step.value, color=step.colour) for step in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(listed)


def _mappings(meanings: tuple[Meaning, ...]) -> list[ValueMapping]:
    options = {
        str(each.value): ValueMappingResult(text=each.text, color=each.colour, index=place)
        for place, each in enumerate(meanings)
    }
    return [ValueMap(options=options)] if options else []


def _by_value(panel: Stat | Timeline | Bars | Table, chart: Chart) -> None:
    panel.thresholds(_thresholds(chart.steps)).mappings(_mappings(chart.meanings))
    panel.color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))


def _stat(chart: Chart) -> Stat:
    panel = Stat().reduce_options(ReduceDataOptions().calcs(["lastNotNull"])).graph_mode(BigValueGraphMode.NONE)
    coloured = bool(chart.meanings) or len(chart.steps) > 1
    panel.color_mode(BigValueColorMode.BACKGROUND_SOLID if coloured else BigValueColorMode.NONE)
    panel.text_mode(BigValueTextMode.VALUE_AND_NAME if chart.named else BigValueTextMode.VALUE)
    _by_value(panel, chart)
    return panel


def _bars(chart: Chart) -> Bars:
    panel = Bars().reduce_options(ReduceDataOptions().calcs(["lastNotNull"])).orientation(VizOrientation.HORIZONTAL)
    panel.min(0)
    _by_value(panel, chart)
    return panel


def _timeline(chart: Chart) -> Timeline:
    panel = Timeline().merge_values(merge_values=True).show_value(VisibilityMode.AUTO)
    _by_value(panel, chart)
    return panel


def _lines(chart: Chart) -> Lines:
    """Setpoints are steps: a line between two of them would show a power that nobody asked for."""
    panel = Lines().draw_style(GraphDrawStyle.LINE).line_interpolation(LineInterpolation.STEP_AFTER).line_width(1)
    panel.tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel.legend(legend.show_legend(show_legend=True))
    panel.thresholds(_thresholds(chart.steps)).color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
    if chart.stacked:
        panel.stacking(StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(60)
    for name, colour in chart.colours.items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_name(name, [DynamicConfigValue(id_val="color", value=fixed)])
    return panel


def _table(chart: Chart) -> Table:
    """Return a row for each set of labels, with a column for each query."""
    panel = Table()
    _by_value(panel, chart)
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    values = [f"Value #{letter}" for letter, _ in zip(ascii_uppercase, chart.queries, strict=False)]
    named = dict(zip(values if len(values) > 1 else ["Value"], (query.legend for query in chart.queries), strict=True))
    places = {name: place for place, name in enumerate(chart.sequence)}
    hidden = dict.fromkeys((*_EVERYWHERE, *chart.hidden), True)
    organize = {"excludeByName": hidden, "renameByName": named | chart.sequence, "indexByName": places}
    panel.with_transformation(DataTransformerConfig(id_val="organize", options=organize))
    for name, column in chart.columns.items():
        panel.override_by_name(name, _column(column))
    return panel


def _column(column: Column) -> list[DynamicConfigValue]:
    properties: dict[str, object] = {}
    if column.unit:
        properties["unit"] = column.unit
    if column.width:
        properties["custom.width"] = column.width
    if column.steps:
        properties["thresholds"] = _thresholds(column.steps).build()
    if column.meanings:
        properties["mappings"] = _mappings(column.meanings)
    if column.texts:
        shown = {text: ValueMappingResult(text=instead) for text, instead in column.texts.items()}
        properties["mappings"] = [ValueMap(options=shown)]
    if column.steps or column.meanings:
        properties["custom.cellOptions"] = {"type": "color-text"}
    return [DynamicConfigValue(id_val=name, value=value) for name, value in properties.items()]


_MAKERS: Final = {
    Draw.STAT: _stat,
    Draw.BARS: _bars,
    Draw.LINES: _lines,
    Draw.TIMELINE: _timeline,
    Draw.TABLE: _table,
}
