"""What all figures have in common."""

import io

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from gait.report.style import FORMATS, save


def test_a_figure_is_laid_out_once_for_all_formats(tmp_path):
    """The layout takes longer than the drawing."""
    laid_out = []

    class Counted(ConstrainedLayoutEngine):
        def execute(self, fig):
            laid_out.append(fig)
            return super().execute(fig)

    figure = Figure(layout=Counted())
    axis = figure.subplots()
    axis.set_ylabel("a label\nof many\nlines")
    before = axis.get_position().x0
    assert save(figure, tmp_path / "a.png", FORMATS) == ["a.png", "a.svg", "a.pdf"]
    assert laid_out == [figure]
    assert axis.get_position().x0 > before
    beginnings = [(tmp_path / f"a.{form}").read_bytes()[:4] for form in FORMATS]
    assert beginnings == [b"\x89PNG", b"<?xm", b"%PDF"]


def test_a_png_has_the_bytes_of_savefig(tmp_path):
    """It is drawn once in place of twice; what is drawn has to stay the same."""

    def figure():
        made = Figure(layout="constrained")
        above, below = made.subplots(2)
        above.set_title("$k_{1}$ [1]")
        below.semilogy([1, 2, 3], [1e-8, 1e-3, 1e2])
        return made

    content = io.BytesIO()
    figure().savefig(content, dpi=130, format="png")
    save(figure(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == content.getvalue()
