"""The rules of the house: who imports whom, how light commands start, what is never written."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from workbench import registry

CHECKOUT = Path(__file__).resolve().parent.parent
ROOMS = ("workbench", "modalities", "pipelines", "eval")
SOURCES = sorted(p for room in ROOMS for p in (CHECKOUT / room).rglob("*.py"))
HEAVY = ("torch", "transformers", "peft", "monai", "accelerate", "sklearn", "pandas")
GROUPS = ("modalities", "objectives", "tasks", "datasets")
RECIPES = sorted(p.stem for p in (CHECKOUT / "pipelines" / "recipes").glob("*.yaml"))

FOREIGN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
# the name of an exception, which defusedxml lets through
HARMLESS = {"xml.parsers.expat.ExpatError"}
BANNED_CALLS = {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
                "os.system", "os.popen"}  # fmt: skip
BANNED_FLAGS = {("shell", True), ("allow_pickle", True), ("weights_only", False),
                ("trust_remote_code", True)}  # fmt: skip

MAIN = """
import sys
from pipelines.cli import main
try:
    main()
finally:
    sys.stderr.write("LOADED " + " ".join(m for m in {heavy!r} if m in sys.modules))
"""


def script(name):
    """Import a file of scripts/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, CHECKOUT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def offences(text):
    """Return what a source file does that no source file may."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names]
            from_ = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            whole = [f"{from_}.{n}".strip(".") for n in names]
            found += [w for w in whole if w.split(".")[0] in FOREIGN]
            found += [w for w in whole if w.startswith("xml.") and w not in HARMLESS]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in BANNED_CALLS or called.endswith(".extractall"):
                found.append(called)
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if (keyword.arg, value) in BANNED_FLAGS:
                    found.append(f"{keyword.arg}={value}")
    return found


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from joblib import load", "import xml.etree.ElementTree", "eval('1')",
     "from xml.etree import ElementTree", "torch.load(p)", "yaml.load(s)", "archive.extractall()",
     "subprocess.run(c, shell=True)", "np.load(p, allow_pickle=True)", "exec(code)",
     "AutoModel.from_pretrained(p, trust_remote_code=True)"],
)  # fmt: skip
def test_a_forbidden_construct_is_noticed(text):
    assert offences(text)


@pytest.mark.parametrize(
    "text", ["model.eval()", "np.load(p, allow_pickle=False)", "import defusedxml"]
)
def test_an_innocent_construct_is_not(text):
    assert offences(text) == []


def test_no_source_file_runs_or_unpickles_what_it_reads():
    found = {str(p.relative_to(CHECKOUT)): o for p in SOURCES if (o := offences(p.read_text()))}
    assert found == {}


def test_no_template_trusts_markup():
    pages = [p for room in ROOMS for p in (CHECKOUT / room).rglob("*.html")]
    assert pages
    marked = [p.name for p in pages if re.search(r"\|\s*safe|autoescape\s+false", p.read_text())]
    assert marked == []


def test_every_source_file_says_what_it_is_for():
    silent = [str(p.relative_to(CHECKOUT)) for p in SOURCES
              if not ast.get_docstring(ast.parse(p.read_text()))]  # fmt: skip
    assert silent == []


def test_no_file_is_called_utils():
    vague = {"utils", "helpers", "common", "misc"}
    assert [p for p in SOURCES if p.stem in vague or p.parent.name in vague] == []


def test_rooms_import_only_what_the_arrows_allow():
    pytest.importorskip("importlinter", reason="import-linter is in the extra [dev]")
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_house_measures_hold():
    command = [sys.executable, "scripts/house_measures.py"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("group", GROUPS)
def test_every_registered_name_can_be_imported(group):
    names = registry.installed(group)
    assert names
    for name in names:
        assert registry.load(group, name) is not None


def test_every_entry_point_of_the_project_file_is_installed():
    import tomllib

    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    for group in GROUPS:
        declared = project["entry-points"][f"workbench.{group}"]
        found = {n: p.target for n, p in registry.installed(group).items()
                 if p.distribution == project["name"]}  # fmt: skip
        assert found == declared, "reinstall the project: pip install -e ."


def test_torchvision_is_neither_installed_nor_asked_for():
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("torchvision")
    assert "torchvision" not in (CHECKOUT / "pyproject.toml").read_text()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A pipeline over a CSV of two modalities, whose files exist."""
    folder = tmp_path_factory.mktemp("tiny")
    ecg = registry.modality("ecg")
    from workbench.seeding import keyed_rng

    lines = ["id,group,split,ecg,report"]
    for n, split in enumerate(("train", "train", "val", "test")):
        cell = ecg.synthesize(ecg.findings[0].name, keyed_rng(n), folder)
        lines.append(f"r{n},g{n},{split},{cell},Sinus rhythm.")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "tiny.yaml").write_text(
        "name: tiny\nmanifest: {path: rows.csv}\n"
        "modalities: {ecg: {encoder: {name: vit1d_tiny}}, report: {encoder: {name: text_tiny}}}\n"
        "align: {epochs: 1}\n"
        "evaluate: [{task: retrieval, query: ecg, gallery: report}]\n"
    )
    return folder / "tiny.yaml"


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["list"], ["list", "encoders"], ["check", "TINY"],
     ["run", "TINY", "--dry-run"], ["run", "quickstart", "--dry-run"], ["run", "--help"]],
    ids=" ".join,
)  # fmt: skip
def test_a_command_that_does_no_work_starts_light(words, tiny, tmp_path):
    line = [str(tiny) if w == "TINY" else w for w in words]
    code = MAIN.format(heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True,
                          cwd=tmp_path, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.rpartition("LOADED ")[2] == ""
    assert list(tmp_path.iterdir()) == [], "it wrote something"


def test_importing_the_workbench_is_light():
    code = f"import sys, workbench; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_a_valid_pipeline_with_a_summary(name, tmp_path):
    from pipelines.plan import make_plan
    from workbench.yaml12 import load_yaml

    path = CHECKOUT / "pipelines" / "recipes" / f"{name}.yaml"
    text = path.read_text()
    assert text.startswith("# ")
    data = load_yaml(text, path.name)
    assert data["name"] == name
    plan = make_plan(name, [f"manifest.root={tmp_path}"] if "dataset" in data["manifest"] else [])
    assert plan.parts
    assert plan.tasks, "a recipe that evaluates nothing"
    prompts = [t["prompts"] for t in data["evaluate"] if "prompts" in t]
    assert [p for p in prompts if not (path.parent / p).is_file()] == []


def test_the_table_of_codes_is_what_the_source_says():
    written = (CHECKOUT / "docs" / "codes.md").read_text()
    assert script("write_codes").table(CHECKOUT) == written, "run scripts/write_codes.py"


def test_every_code_of_the_source_is_in_the_table():
    written = (CHECKOUT / "docs" / "codes.md").read_text()
    found = {c for p in SOURCES for c in re.findall(r"\b[EF]-[A-Z]{3}-\d{3}\b", p.read_text())}
    assert len(found) > 100
    assert sorted(c for c in found if f"| {c} |" not in written) == []


def test_the_schema_for_editors_is_that_of_the_models():
    from workbench.config import Pipeline

    stored = json.loads((CHECKOUT / "workbench" / "pipeline.schema.json").read_text())
    assert stored == Pipeline.model_json_schema(), "run scripts/write_schema.py"
