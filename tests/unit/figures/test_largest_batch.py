"""The largest-batch figure draws the number of requests over context length."""

from builders.places import SHAPES
from builders.plans import KNOWN

from kvbench.capacity.contexts import curve, curves, mean_share, read_conditions
from kvbench.capacity.shapes import chosen
from kvbench.figures import largest_batch


def test_the_figure_draws_slots_over_context():
    conditions = read_conditions(SHAPES)
    found = curve(KNOWN["llama-2-7b"], conditions, 0.25)
    assert found.reserved[:4] == (443, 221, 110, 55)  # 113,558 slots // 256 and so on
    assert found.paged[3] == int(113_558 / (0.25 * 2048 + 7.5))
    share = mean_share(conditions, 0)
    assert 0.15 < share < 0.30
    drawn = curves(chosen(KNOWN, conditions.models, "x"), conditions, share)
    assert [one.cards for one in drawn] == [1, 1, 1, 2, 1, 1]
    axes = largest_batch.draw(drawn, conditions, share).axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    lines = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 2]
    assert list(lines[1].get_ydata()) == list(drawn[1].paged[:5])  # up to 4096 positions
    lowest = min(min(line.get_ydata()) for line in axes.lines if len(line.get_ydata()))
    assert lowest >= 1
