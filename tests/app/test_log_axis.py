"""The logarithmic axis: its label promises nothing that its ticks do not keep."""

from __future__ import annotations

import pyqtgraph as pg
import pytest
from pytestqt.qtbot import QtBot

from app.views.log_axis import LogAxis


@pytest.mark.parametrize("around", [-9.0, -0.1, 0.0005, 4.0])
def test_a_label_has_no_factor_whatever_the_range(qtbot: QtBot, around: float) -> None:
    plot = pg.PlotWidget(enableMenu=False, axisItems={"left": LogAxis("left")})
    qtbot.addWidget(plot)
    axis = plot.getPlotItem().getAxis("left")
    axis.setLabel("ms")
    plot.getPlotItem().setYRange(around - 0.0001, around + 0.0001, padding=0)
    assert axis.label.toPlainText().strip() == "ms"
