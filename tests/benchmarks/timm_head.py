"""A head as people make one without resnext: timm's features of a folder of folders, scikit-learn on top.

Usage: python timm_head.py PHOTOS OUT.json [--test PHOTOS]

timm's loader at its defaults (batches of 256, two workers, float32) and its model without a classifier; then
StandardScaler and LogisticRegressionCV, 5 folds over 10 strengths. OUT.json: {"accuracy": share right of --test, or
null}.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bundled_timm import bundled_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--test", type=Path)
    args = parser.parse_args()

    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = bundled_model()
    head = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=10, cv=5, max_iter=1000))
    head.fit(*features(model, args.photos))
    accuracy = float(head.score(*features(model, args.test))) if args.test is not None else None
    args.out.write_text(json.dumps({"accuracy": accuracy}))


def features(model: Any, folder: Path) -> tuple[Any, Any]:
    """The pooled features (N, D) of all photos of a folder of folders, and their labels (N,)."""
    import numpy as np
    import torch
    from timm.data import create_dataset, create_loader, resolve_model_data_config

    dataset = create_dataset(name="", root=str(folder))
    loader = create_loader(
        dataset,
        batch_size=256,
        use_prefetcher=True,
        num_workers=2,
        device=torch.device("cpu"),
        **resolve_model_data_config(model),
    )
    found, labels = [], []
    with torch.inference_mode():
        for batch, truth in loader:
            pooled = model.forward_head(model.forward_features(batch), pre_logits=True)
            found.append(pooled.float().numpy())
            labels.append(truth.numpy())
    return np.concatenate(found), np.concatenate(labels)


if __name__ == "__main__":
    main()
