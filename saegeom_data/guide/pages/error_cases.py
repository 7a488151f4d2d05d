"""Every error class with code that raises it, what it then says, and what to do. Tests raise them one by one."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

from saegeom_data import errors


@dataclass(frozen=True)
class Case:
    """An error, and how it comes about.

    Attributes
    ----------
    error
        The class.
    example
        Code whose last line raises it, run in an empty folder.
    message
        What it says; ``...`` stands for what differs from machine to machine.
    remedy
        What to do about errors of this class.
    """

    error: type[errors.SaegeomError]
    example: str
    message: str
    remedy: str


def _case(error: type[errors.SaegeomError], example: str, message: str, remedy: str) -> Case:
    return Case(error, dedent(example).strip(), dedent(message).strip(), " ".join(remedy.split()))


CASES = (
    _case(
        errors.SaegeomError,
        """
        from saegeom_data.errors import Problem, SaegeomError

        raise SaegeomError(Problem("/saes/layer_0", "missing"))
        """,
        "/saes/layer_0: missing",
        """The root of all others: catch it to catch whatever this package raises on purpose. ``error.problems`` has
        each problem with its place, as data. Anything else that is raised is a fault of the package; report it.""",
    ),
    _case(
        errors.ValidationError,
        """
        import numpy as np
        import xarray as xr
        from saegeom_data.metrics import isotropy

        isotropy(xr.Dataset({"decoder": (("hidden", "features"), np.eye(4))}))
        """,
        "isotropy/decoder: got dims (hidden, features), expected (features, hidden); rename or transpose it",
        """Compare the data with the data model. ``saegeom validate STORE`` lists all problems at once;
        ``saegeom_data.laid_out`` transposes and joins dims.""",
    ),
    _case(
        errors.SpecError,
        """
        from saegeom_data.spec.models import RunSpec, parse_spec

        text = "spec_version: 1\\nkind: run\\ntitle: Mine\\nmetrics:\\n- metrc: isotropy\\n"
        parse_spec(text, RunSpec, "a.yaml")
        """,
        """
        a.yaml:5: metrics[0].metric: missing key; add it
        a.yaml:5: metrics[0].metrc: unknown key; did you mean 'metric'?; known: features, metric, name, parameters, saes
        """,
        """Mend the line that is named; every problem of the file is listed. ``saegeom validate SPEC`` checks a spec
        without running it, and the JSON Schema of its kind lets an editor do so.""",
    ),
    _case(
        errors.DataValueError,
        """
        from saegeom_data.metrics import lobes
        from saegeom_data.testing import simulate_sae

        sae = simulate_sae()
        lobes(sae.assign(document=sae.document * 0)).load()
        """,
        "document: got 1 documents, expected at least 2: one half finds lobes, the other measures them",
        """The layout is right and the values do not serve this metric. Give it other data, or leave the metric out;
        ``saegeom run`` leaves it out by itself and says so, unless ``--strict`` is given.""",
    ),
    _case(
        errors.NotFiniteError,
        """
        import numpy as np
        from saegeom_data.metrics import isotropy
        from saegeom_data.testing import simulate_sae

        sae = simulate_sae()
        sae.decoder[3, 2] = np.nan
        isotropy(sae)
        """,
        "isotropy/decoder features 3: got nan, expected finite values; drop or repair these rows",
        """The weights are broken, or were converted to a narrower dtype than they fit. Read them again; a row that
        is broken at its source can be dropped with ``isel(features=...)``.""",
    ),
    _case(
        errors.ParameterError,
        """
        from saegeom_data.metrics import hubness
        from saegeom_data.testing import simulate_sae

        hubness(simulate_sae(), k=0)
        """,
        "hubness: k: got 0, expected greater than or equal to 1",
        """Change the parameter that is named. The page of the metric has the meaning and default of each.""",
    ),
    _case(
        errors.MemoryLimitError,
        """
        import saegeom_data

        saegeom_data.plan("galaxy", saegeom_data.sample_path(), memory_limit=10**6)
        """,
        "the run takes ..., the memory limit is 0.95 MiB; raise it: Python and its libraries alone take ...",
        """Raise the limit, or lower the parameter that the message names where there is one.
        ``saegeom run --plan`` states memory without computing anything.""",
    ),
    _case(
        errors.UnknownNameError,
        """
        import saegeom_data

        saegeom_data.get_metric("isotropi")
        """,
        "no metric is named 'isotropi'; did you mean 'isotropy'?; known: ...",
        """Take one of the names that are listed. A metric of another package is known once that package is
        installed in the same environment.""",
    ),
    _case(
        errors.StoreError,
        """
        import saegeom_data

        with saegeom_data.open("nowhere.zarr") as tree:
            tree.load()
        """,
        "nowhere.zarr: no such store; check the path",
        """Check the path or address. Where a store disagrees with its manifest, a file was changed or copied in
        part: copy it again. ``saegeom validate STORE`` says which file.""",
    ),
    _case(
        errors.TargetExistsError,
        """
        import saegeom_data
        from saegeom_data.testing import simulate_store

        saegeom_data.write_tree(simulate_store(), "mine.zarr")
        saegeom_data.write_tree(simulate_store(), "mine.zarr")
        """,
        "mine.zarr: exists already; give another path or remove it first",
        """Nothing was written. Give another path, or remove what is there; ``saegeom run --overwrite`` replaces a
        finished run.""",
    ),
    _case(
        errors.ReportError,
        """
        from unittest.mock import patch
        import saegeom_data

        with patch("saegeom_data.report.page.render", side_effect=KeyError("view")):
            saegeom_data.run("isotropy", saegeom_data.sample_path(), "out")
        """,
        "out/results.zarr: is whole, but no report could be made of it: KeyError: 'view'; read the results with xarray,"
        " and tell the developers of saegeom-data",
        """The numbers are safe. Read them with ``saegeom_data.summary_table`` or xarray, and report the fault; a newer
        release makes the page with ``saegeom report RESULTS``. The example breaks the page on purpose.""",
    ),
    _case(
        errors.ClusterError,
        """
        import saegeom_data
        from distributed import LocalCluster

        with LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster:
            saegeom_data.run("isotropy", saegeom_data.sample_path(), "out", scheduler=cluster.scheduler_address)
        """,
        "inproc://...: has no workers; start some with dask worker inproc://...",
        """Start workers with the same packages and a path to the same store, as the page on clusters says. Nothing
        of the run was kept; start it again.""",
    ),
    _case(
        errors.MissingDependencyError,
        """
        from saegeom_data.errors import require

        require("a_package_that_is_not_there", "hub")
        """,
        "the package 'a_package_that_is_not_there' is not installed; install it with: pip install 'saegeom-data[hub]'",
        """Install the extra that the message names. The package itself needs none of them: extras are for SAEs and
        models of the Hub, building datasets, and clusters.""",
    ),
)
