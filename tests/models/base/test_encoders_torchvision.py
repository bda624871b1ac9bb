from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from hf_mlm.models.base.encoders import convert_torchvision_resnet, load_torchvision_resnet


class Block(nn.Module):
    """A residual block with the names of torchvision's and an own forward."""

    def __init__(self, channels: int, width: int, out: int, stride: int, bottleneck: bool):
        super().__init__()
        sizes = [(channels, width, 1, 1), (width, width, 3, stride), (width, out, 1, 1)]
        if not bottleneck:
            sizes = [(channels, out, 3, stride), (out, out, 3, 1)]
        for number, (a, b, kernel, step) in enumerate(sizes, start=1):
            setattr(self, f"conv{number}", nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(b))
        self.depth = len(sizes)
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for number in range(1, self.depth + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = y.relu() if number < self.depth else y
        return (y + (self.downsample(x) if hasattr(self, "downsample") else x)).relu()


class ResNet(nn.Module):
    """He et al. 2016 with the stride in the 3x3 convolution, in torchvision's names."""

    def __init__(self, depths: list[int], bottleneck: bool):
        super().__init__()
        self.conv1, self.bn1, self.fc = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.Linear(4, 10)
        channels = 8
        for stage, depth in enumerate(depths, start=1):
            width = 4 * 2**stage
            out, blocks = width * (4 if bottleneck else 1), []
            for number in range(depth):
                blocks.append(Block(channels, width, out, 2 if stage > 1 and number == 0 else 1, bottleneck))
                channels = out
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(self.bn1(self.conv1(pixels)).relu(), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def resnet(depths: list[int], bottleneck: bool = True) -> ResNet:
    """With weights and statistics at random."""
    torch.manual_seed(0)
    model = ResNet(depths, bottleneck).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return model


@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize("counters", [True, False])
def test_a_file_of_torchvisions_computes_the_same(bottleneck: bool, counters: bool, tmp_path: Path) -> None:
    theirs, pixels = resnet([3, 1, 2, 1], bottleneck), torch.randn(2, 3, 64, 64)
    weights = {name: v for name, v in theirs.state_dict().items() if counters or "num_batches" not in name}
    torch.save(weights, tmp_path / "resnet.pth")  # files as old as resnet152-b121ed2d.pth hold no counters
    ours = load_torchvision_resnet(tmp_path / "resnet.pth")
    assert ours.config.depths == [3, 1, 2, 1] and ours.config.layer_type == ("bottleneck" if bottleneck else "basic")
    torch.testing.assert_close(ours(pixels).last_hidden_state, theirs(pixels), rtol=1e-5, atol=1e-5)


def test_a_file_with_code_is_refused(tmp_path: Path) -> None:
    torch.save(resnet([1, 1, 1, 1]), tmp_path / "model.pth")  # a whole model, pickled
    with pytest.raises(ValueError, match="refused"):
        load_torchvision_resnet(tmp_path / "model.pth")
    (tmp_path / "broken.pth").write_bytes(b"broken")
    with pytest.raises(ValueError, match="refused"):
        load_torchvision_resnet(tmp_path / "broken.pth")
    with pytest.raises(FileNotFoundError):
        load_torchvision_resnet(tmp_path / "nowhere.pth")


def test_another_network_gets_a_sentence() -> None:
    weights = resnet([1, 1, 1, 1]).state_dict()
    for change in ({"conv1.weight": None}, {"layer1.0.conv2.weight": torch.zeros(8, 4, 3, 3)}, {"extra.weight": 1}):
        changed = {name: v for name, v in (weights | change).items() if v is not None}
        with pytest.raises(ValueError, match="no state dict of a ResNet of torchvision's"):
            convert_torchvision_resnet(changed)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda weights: {}, "it has no conv1.weight, and begins with nothing."),
        (
            lambda weights: {f"module.{name}": values for name, values in weights.items()},
            "it has no conv1.weight, and begins with module.conv1.weight, module.",
        ),
        (
            lambda weights: {name: values for name, values in weights.items() if not name.startswith("layer4")},
            "it has no layer4.0.conv1.weight, and begins with conv1.weight, ",
        ),
    ],
    ids=["empty", "prefixed", "three stages"],
)
def test_weights_under_foreign_names_are_shown(change: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"no state dict of a ResNet of torchvision's: {sentence}"):
        convert_torchvision_resnet(change(resnet([1, 1, 1, 1]).state_dict()))
