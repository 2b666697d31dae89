import csv
import json

import pytest

from archsim import registry
from archsim.cli import main
from archsim.figures.figure import Figure, FigureData, FigureRequest, Table, load_figure
from archsim.figures.rendering import csv_text, render


class Line:
    name = "line"
    title = "a straight line"

    def data(self, request):
        rows = tuple((n, 0.1 * n + request.seed, None) for n in range(4))
        return FigureData({"line": Table(("n", "time_s", "published"), rows)}, ("ours alone",))

    def draw(self, data, canvas):
        table = data.tables["line"]
        axes = canvas.subplots()
        axes.plot(table.column("n"), table.column("time_s"))
        axes.set_xlabel("n")


@pytest.fixture
def line():
    registry.figures.register("line", Line())
    yield
    registry.figures.unregister("line")


@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_same_bytes_every_time(kind):
    figure = Line()
    data = figure.data(FigureRequest())
    assert render(figure, data, kind) == render(figure, data, kind)


@pytest.mark.usefixtures("line")
def test_command_writes_picture_and_table(tmp_path, capsys):
    output = tmp_path / "x.svg"
    assert main(["figure", "line", "-o", str(output), "--seed", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(output), str(tmp_path / "x.csv")]
    assert "ours alone" in err
    assert output.read_text().startswith("<?xml")
    with (tmp_path / "x.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time_s"]) for row in rows] == [0.1 * n + 2 for n in range(4)]
    assert rows[0]["published"] == ""


@pytest.mark.usefixtures("line")
def test_json_is_only_json(tmp_path, capsys):
    assert main(["figure", "line", "-o", str(tmp_path / "x.png"), "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["tables"]["line"]["columns"] == ["n", "time_s", "published"]
    assert len(record["files"]) == 2
    assert err == ""


@pytest.mark.usefixtures("line")
def test_without_output_the_table_is_printed(capsys):
    assert main(["figure", "line"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["n,time_s,published", "0,0.0,"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lime"], "did you mean 'line'"),
        (["line", "-o", "x.jpg"], ".pdf"),
        (["line", "-o", "nowhere/x.pdf"], "no such folder"),
    ],
)
@pytest.mark.usefixtures("line")
def test_bad_words(capsys, words, message):
    assert main(["figure", *words]) == 2
    assert message in capsys.readouterr().err


def test_tables_check_their_width():
    with pytest.raises(ValueError, match="row 1 has 1 of 2"):
        Table(("a", "b"), ((1, 2), (3,)))


def test_rows_are_found_by_cell():
    table = Table(("a", "b"), ((1, "x"), (2, "y"), (1, "z")))
    assert table.where(a=1).column("b") == ("x", "z")


def test_csv_reads_back_as_the_same_numbers():
    values = (0.1 + 0.2, 1e-300, 123456789012345678)
    rows = csv_text(Table(("a", "b", "c"), (values,))).splitlines()
    assert tuple(map(float, rows[1].split(","))) == tuple(map(float, values))


def test_every_installed_figure_is_one():
    for name in registry.figures.names():
        figure = load_figure(name)
        assert isinstance(figure, Figure)
        assert figure.name == name
        assert figure.title
