"""The exported forward–backward against the one that training uses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from hf_mlm.export.graphs import irle_graphs, marginals_scan
from hf_mlm.export.onnx import pixel_shape
from hf_mlm.models.layers.crf import LinearChainCRF
from hf_mlm.runs.open_model import open_model


class Marginals(nn.Module):
    """What can be exported."""

    def forward(self, emissions: torch.Tensor, mask: torch.Tensor, *scores: torch.Tensor) -> torch.Tensor:
        return marginals_scan(emissions, mask, *scores)


@pytest.fixture(scope="module")
def exported() -> nn.Module:
    sizes = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    example = (torch.randn(3, 4, 5), torch.ones(3, 4).bool(), torch.randn(5), torch.randn(5, 5), torch.randn(5))
    with torch.no_grad():
        return torch.export.export(Marginals(), example, dynamic_shapes=(sizes, sizes, ((None,) * 3))).module()


@pytest.mark.parametrize(("rows", "length", "scale"), [(2, 3, 1.0), (5, 40, 4.0), (3, 9, 1e3)])
def test_marginals_are_those_of_the_layer(exported: nn.Module, rows: int, length: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(rows)
    crf = LinearChainCRF(5)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    emissions = scale * torch.randn(rows, length, 5, generator=generator)
    mask = torch.rand(rows, length, generator=generator) < 0.7  # with gaps
    mask[0] = False  # a sentence without words
    with torch.no_grad():
        computed = exported(emissions, mask, crf.start_transitions, crf.transitions, crf.end_transitions)
    torch.testing.assert_close(computed[mask], crf.marginals(emissions, mask)[mask], rtol=1e-4, atol=1e-4)
    assert not computed.isnan().any()


def test_torch_export_of_both_sides_of_irle_keeps_batches_and_lengths_free(irle_model: Path) -> None:
    model, processor = open_model(irle_model, "irle")
    dynamic = torch.export.Dim.DYNAMIC
    for graph in irle_graphs(model, pixel_shape(processor)):
        axes = {
            name: {place: dynamic for place, axis in enumerate(shape) if isinstance(axis, str)}
            for name, shape in graph.inputs.items()
        }
        example = {"inputs": graph.example(3, 7, 2)}
        with torch.no_grad():
            program = torch.export.export(graph.module, (), example, dynamic_shapes={"inputs": axes}).module()
            for sizes in ((5, 11, 3), (2, 4, 1)):
                batch = graph.example(*sizes)
                for ours, eager in zip(program(inputs=batch), graph.module(batch), strict=True):
                    torch.testing.assert_close(ours, eager)
