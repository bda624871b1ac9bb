from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from hf_mlm.benchmarks.published_irle import PublishedIRLE, published_loss
from hf_mlm.models.irle import IRLEConfig, IRLEForRetrievalAndGeo


SIZES = {"image_feature_size": 12, "summary_feature_size": 10, "class_feature_size": 10, "embedding_size": 6}


@pytest.fixture
def published() -> PublishedIRLE:
    torch.manual_seed(0)
    return PublishedIRLE(image=12, text=10, size=6, cells=5, dropout=0.0)


def inputs(rows: int = 8) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = {"image_features": 12, "summary_features": 10, "class_features": 10}
    return {name: torch.randn(rows, size, generator=generator) for name, size in sizes.items()}


def reference(**settings: object) -> IRLEForRetrievalAndGeo:
    return IRLEForRetrievalAndGeo(IRLEConfig.reference(**SIZES, num_geo_cells=5, dropout=0.0, **settings))


def test_published_weights_give_the_published_outputs(published: PublishedIRLE) -> None:
    irle = reference().eval()
    irle.load_reference_state_dict(published.state_dict())
    ours = irle(**inputs())
    theirs = published(*inputs().values())
    for one, other in zip(ours.to_tuple()[1:], theirs, strict=True):  # the loss of the retrieval comes first
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_published_weights_have_the_published_loss_and_gradients(published: PublishedIRLE) -> None:
    irle = reference().train()
    irle.load_reference_state_dict({"state_dict": published.state_dict(), "epoch": 3})
    pairs, cells = 1 - 2 * (torch.arange(8) % 2), torch.arange(8) % 5
    own = {name: values.requires_grad_() for name, values in inputs().items()}
    loss = irle(**own, image_cells=(cells + 1) % 5, text_cells=cells, pair_targets=pairs).loss
    theirs = [values.requires_grad_() for values in inputs().values()]
    torch.testing.assert_close(loss, published_loss(published(*theirs), pairs, cells), rtol=1e-6, atol=1e-6)
    gradients = torch.autograd.grad(published_loss(published(*theirs), pairs, cells), theirs)
    for one, other in zip(torch.autograd.grad(loss, list(own.values())), gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_checkpoint_file_is_read(published: PublishedIRLE, tmp_path: Path) -> None:
    path = tmp_path / "epoch_1.pth.tar"
    torch.save({"state_dict": published.state_dict(), "optimizer": {"lr": 1e-4}}, path)
    irle = reference().eval()
    irle.load_reference_state_dict(path)
    torch.testing.assert_close(irle.text_fusion.weight, published.fc1.weight)


def test_a_single_task_takes_what_it_has(published: PublishedIRLE) -> None:
    irle = reference(tasks=("geo",)).eval()
    irle.load_reference_state_dict(published.state_dict())
    logits = irle(**inputs()).text_geo_logits
    torch.testing.assert_close(logits, published(*inputs().values())[3], rtol=1e-5, atol=1e-6)


class Dangerous:
    def __reduce__(self) -> tuple:
        return (print, ("run",))


def test_a_file_that_could_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save({"state_dict": Dangerous()}, tmp_path / "pickled.pth.tar")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Dangerous(), protocol=2))
    (tmp_path / "torn.pth.tar").write_bytes(b"PK\x03\x04torn")
    (tmp_path / "empty.pth.tar").write_bytes(b"")
    for name in ("pickled.pth.tar", "plain.pkl", "torn.pth.tar", "empty.pth.tar"):
        with pytest.raises(ValueError, match=f"{name} is refused"):
            reference().load_reference_state_dict(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_other_sizes_are_named(published: PublishedIRLE) -> None:
    irle = IRLEForRetrievalAndGeo(IRLEConfig(**SIZES, num_geo_cells=7))
    with pytest.raises(ValueError, match="this model has num_geo_cells=7 .* configure num_geo_cells=5"):
        irle.load_reference_state_dict(published.state_dict())
    summaries_alone = IRLEForRetrievalAndGeo(IRLEConfig(**SIZES, num_geo_cells=5, use_classes=False))
    with pytest.raises(ValueError, match="configure use_classes=True"):
        summaries_alone.load_reference_state_dict(published.state_dict())


def test_other_weights_are_refused(published: PublishedIRLE) -> None:
    with pytest.raises(ValueError, match="it has no 'learn_img.embedding.3.weight'"):
        reference().load_reference_state_dict({"fc1.weight": published.fc1.weight})
