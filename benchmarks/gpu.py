"""Time the package on an accelerator: CRF, IR+LE with features on the device, 2M-NER at the real sizes in bfloat16.

    python benchmarks/gpu.py --output gpu.json      # at most eight minutes on a GPU
    python benchmarks/gpu.py --tiny                 # tiny sizes, on a CPU too

Weights are random, as speed does not depend on them. The JSON holds seconds a call (median of the repetitions), those
of the peer, and the device.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, CLIPVisionConfig, ResNetConfig

from hf_mlm import IRLEConfig, IRLEForRetrievalAndGeo, TwoMNERConfig, TwoMNERForTokenClassification
from hf_mlm.models.layers.crf import LinearChainCRF


TAGS = 9
TINY_TEXT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def timed(call: Callable[[], Any], device: torch.device, repeats: int = 10, warmup: int = 2) -> float:
    """Median seconds of a call, the device's work included."""
    times = []
    for number in range(warmup + repeats):
        start = time.perf_counter()
        call()
        if device.type != "cpu":
            torch.accelerator.synchronize()
        if number >= warmup:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def crf(device: torch.device, tiny: bool) -> dict[str, Any]:
    """Loss with gradient, and decoding, against pytorch-crf where it is installed."""
    try:
        from torchcrf import CRF as Peer
    except ImportError:
        Peer = None
    found = {}
    for batch, length in [(4, 8)] if tiny else [(16, 64), (128, 64), (32, 512)]:
        field = LinearChainCRF(TAGS).to(device)
        emissions = torch.randn(batch, length, TAGS, device=device, requires_grad=True)
        tags = torch.randint(TAGS, (batch, length), device=device)
        mask = torch.ones(batch, length, dtype=torch.bool, device=device)
        fields: dict[str, tuple[Any, dict[str, str]]] = {"ours": (field, {})}
        if Peer is not None:
            peer = Peer(TAGS, batch_first=True).to(device)
            peer.load_state_dict(field.state_dict())
            fields["pytorch-crf"] = (peer, {"reduction": "none"})
            ours, theirs = field(emissions, tags, mask), peer(emissions, tags, mask, reduction="none")
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-2)
        for name, (each, options) in fields.items():
            loss = partial(_loss, each, emissions, tags, mask, options)
            decode = torch.no_grad()(partial(each.decode, emissions.detach(), mask))
            found[f"{name}, {batch} x {length}"] = {"loss": timed(loss, device), "decode": timed(decode, device)}
    return found


def _loss(field: Any, emissions: Any, tags: Any, mask: Any, options: dict[str, str]) -> None:
    field(emissions, tags, mask, **options).sum().backward()


def irle(device: torch.device, tiny: bool) -> dict[str, Any]:
    """Steps of IR+LE on features that are on the device, and so an epoch of 175,000 rows."""
    batch, rows = (8, 64) if tiny else (128, 20_000)
    sizes = {"image_feature_size": 32, "summary_feature_size": 16, "class_feature_size": 16, "embedding_size": 16}
    config = IRLEConfig(num_geo_cells=990, **(sizes if tiny else {}))
    model = IRLEForRetrievalAndGeo(config).to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    kinds = ("image", "summary", "class")
    widths = {f"{kind}_features": getattr(config, f"{kind}_feature_size") for kind in kinds}
    columns = {name: torch.rand(rows, width, device=device) for name, width in widths.items()}
    cells = torch.randint(990, (rows,), device=device)

    def step() -> None:
        chosen = torch.randint(rows, (batch,), device=device)
        inputs = {name: column[chosen] for name, column in columns.items()}
        loss = model(**inputs, image_cells=cells[chosen], text_cells=cells[chosen]).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    seconds = timed(step, device)
    return {"batch": batch, "step": seconds, "epoch of 175,000": seconds * 175_000 / batch}


def two_mner(device: torch.device, tiny: bool) -> dict[str, Any]:
    """Training steps of 2M-NER with mBERT-base, CLIP ViT-B/32 and ResNet-152, bfloat16, and the text encoder alone."""
    batch, words, side = (2, 8, 32) if tiny else (16, 48, 224)
    text = BertConfig(vocab_size=100, **TINY_TEXT) if tiny else BertConfig(vocab_size=119_547)
    vit = CLIPVisionConfig(image_size=32, patch_size=16, **TINY_TEXT) if tiny else CLIPVisionConfig()
    small = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
    resnet = ResNetConfig(**small) if tiny else ResNetConfig(depths=[3, 8, 36, 3])
    heads = {"collaboration_heads": 2} if tiny else {}
    config = TwoMNERConfig(text_encoder_config=text, vit_config=vit, resnet_config=resnet, **heads)
    model = TwoMNERForTokenClassification(config).to(device).train()
    optimizer = torch.optim.Adam([each for each in model.parameters() if each.requires_grad], lr=5e-5, fused=True)
    ids = torch.randint(5, 100, (batch, words), device=device)
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "word_ids": torch.arange(words, device=device).repeat(batch, 1),
        "labels": torch.randint(TAGS, (batch, words), device=device),
        "pixel_values": torch.rand(batch, 3, side, side, device=device),
        "image_index": torch.arange(batch, device=device),
    }

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            loss = model(**inputs).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def encoder() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            model.text_encoder(ids).last_hidden_state.float().sum().backward()

    seconds = timed(step, device)
    return {"batch": batch, "step": seconds, "sentences a second": batch / seconds, "encoder": timed(encoder, device)}


def main() -> None:
    """Run all parts, and write what there is after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON to write; printed when omitted")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to try the script")
    arguments = parser.parse_args()
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    if device.type == "cpu" and not arguments.tiny:
        parser.error("there is no accelerator: pass --tiny to try the script on a CPU.")
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    found: dict[str, Any] = {"device": name, "torch": torch.__version__, "tiny": arguments.tiny}
    for part in (crf, irle, two_mner):
        found[part.__name__] = part(device, arguments.tiny)
        text = json.dumps(found, indent=1) + "\n"
        if arguments.output is not None:
            arguments.output.write_text(text, encoding="utf-8")
    if arguments.output is None:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
