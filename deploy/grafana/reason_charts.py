"""The reasons that hold, as a table: what is doubted, limited or wrong, what it is about, for how long, and what to do about it."""

from __future__ import annotations

from typing import Final

from controller.texts.catalogue import remedy
from controller.texts.phrases import Language
from controller.texts.remedies import REMEDIES
from deploy.grafana.charts import Chart, Column, Draw, Query

_DO: Final = "what to do"
#: By code, what a person can do. English is what every panel speaks.
_REMEDIES: Final = {code.value: remedy(code, Language.ENGLISH).replace("`", "") for code in REMEDIES}


def reasons(
    title: str, description: str, series: str, *, empty: str, width: int, height: int, hidden: tuple[str, ...] = ()
) -> Chart:
    """Return the table of the reasons in `series`, which have a `code`; `hidden`: labels that say nothing there. The newest stands first."""
    return Chart(
        title=title,
        description=f"{description} Section 5 of the manual has more on each code.",
        queries=(Query(f'sort(label_join({series}, "do", "", "code"))', "for"),),
        draw=Draw.TABLE,
        width=width,
        height=height,
        empty=empty,
        columns={
            "code": Column(width=180),
            "subject": Column(width=110),
            "for": Column(unit="dthms", width=110),
            _DO: Column(texts=_REMEDIES),
        },
        sequence={"code": "code", "subject": "subject", "Value": "for", "do": _DO},
        hidden=hidden,
    )
